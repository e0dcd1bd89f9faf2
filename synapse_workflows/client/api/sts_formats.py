"""Output formats of STS tokens: dicts, and shell commands that set environment variables."""

import os
import platform
from collections.abc import Mapping
from typing import Any, get_args

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.core.sts_tokens import StsToken
from synapse_workflows.client.model.argument_types import StsOutputFormat
from synapse_workflows.client.model.shell_exports import ShellName, format_exports
from synapse_workflows.client.transfer import upload_destination


def validate_format(output_format: str) -> None:
    """Check the name of an output format.

    Raises:
        ValueError: Unknown format.
    """
    formats = get_args(StsOutputFormat)
    if output_format not in formats:
        raise ValueError(
            f"Unrecognized output_format {output_format}: expected one of {', '.join(formats)}."
        )


def format_token(
    syn: Session, entity_id: str, token: StsToken, output_format: StsOutputFormat
) -> Any:
    """Return a token in an output format, see `get_sts_storage_token`.

    Args:
        syn: Session that requests the bucket, if the token does not contain it.
        entity_id: ID of the folder or file.
        token: The token.
        output_format: The format.

    Raises:
        ValueError: The shell cannot represent a value.

    Source:
        GET /entity/{id}/uploadDestination of the file service
    """
    if output_format == "json":
        return dict(token.body)
    if output_format == "boto":
        return token.boto_arguments
    variables = _find_s3_location(syn, entity_id, token.body) | {
        "AWS_ACCESS_KEY_ID": token.body["accessKeyId"],
        "AWS_SECRET_ACCESS_KEY": token.body["secretAccessKey"],
        "AWS_SESSION_TOKEN": token.body["sessionToken"],
    }
    shell = _detect_shell() if output_format == "shell" else output_format
    return format_exports(variables, shell)


def _find_s3_location(syn: Session, entity_id: str, token: Mapping[str, Any]) -> dict[str, str]:
    """Return the variable with the S3 location; empty if the location is unknown."""
    bucket, base_key = token.get("bucket"), token.get("baseKey")
    if bucket is None or base_key is None:
        found = upload_destination.request_upload_destination(syn, entity_id)
        bucket = found.get("bucket") if bucket is None else bucket
        base_key = found.get("baseKey") if base_key is None else base_key
    if bucket is None or base_key is None:
        return {}
    return {"SYNAPSE_STS_S3_LOCATION": f"s3://{bucket}/{base_key}"}


def _detect_shell() -> ShellName:
    """Return the shell of this machine, as the official client does."""
    if platform.system() != "Windows" or "bash" in os.environ.get("SHELL", ""):
        return "bash"
    # PowerShell adds the modules of the user to the two system directories.
    directories = os.environ.get("PSModulePath", "").split(os.pathsep)  # noqa: SIM112 - its name
    return "powershell" if len(directories) >= 3 else "cmd"  # noqa: PLR2004
