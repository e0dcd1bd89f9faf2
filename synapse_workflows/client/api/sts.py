"""Temporary AWS credentials (STS tokens), as dicts or as shell commands that set variables."""

import os
import platform
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, get_args

from synapse_workflows.client.core import sts_tokens
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.core.sts_tokens import StsPermission, StsToken
from synapse_workflows.client.model.argument_types import StsOutputFormat
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.client.model.shell_exports import ShellName, format_exports
from synapse_workflows.client.transfer import upload_destination


def get_sts_storage_token(
    syn: Session,
    entity: Any,
    permission: StsPermission,
    *,
    output_format: StsOutputFormat = "json",
    min_remaining_life: timedelta | None = None,
) -> Any:
    """Get temporary AWS credentials for the storage location of a folder or file.

    Tokens are cached in memory until the client logs out.

    Args:
        syn: The session that sends the requests.
        entity: A folder or file with an STS-enabled storage location, or its ID.
        permission: ``read_only``, or ``read_write`` (own buckets only).
        output_format: ``json``: the response of Synapse, a dict with ``bucket``, ``baseKey``,
            ``accessKeyId``, ``secretAccessKey``, ``sessionToken`` and ``expiration``. ``boto``: a
            dict with the keyword arguments of a boto3 session or client. ``bash``, ``cmd``,
            ``powershell``: commands that set ``SYNAPSE_STS_S3_LOCATION`` (``s3://bucket/key``),
            ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY`` and ``AWS_SESSION_TOKEN``.
            ``shell``: the commands for the shell of this machine.
        min_remaining_life: A cached token with less remaining life is replaced; None for 1 hour.

    Returns:
        A dict for ``json`` and ``boto``, else the commands, each with a line break.

    Raises:
        ValueError: Unknown `permission` or `output_format`; or `cmd` cannot quote a value.
        SynapseBadRequestError: The entity has no STS-enabled storage location, or its storage does
            not allow this permission.
        SynapseForbiddenError: The caller lacks the permissions.

    Source:
        GET /entity/{id}/sts; for commands also GET /entity/{id}/uploadDestination, if the token
        does not contain the bucket
        https://rest-docs.synapse.org/rest/GET/entity/id/sts.html
    """
    validate_format(output_format)
    entity_id = parse_entity_id(entity).id
    token = sts_tokens.get_sts_token(syn, entity_id, permission, min_remaining_life)
    return format_token(syn, entity_id, token, output_format)


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
