"""Selection of the S3 server of a service: started by the service, external, or none."""

import importlib.util
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from synapse_workflows.local.errors import ServiceError
from synapse_workflows.local.s3.endpoint import (
    DEFAULT_REGION,
    DEFAULT_ROLE,
    EndpointProvider,
    S3ConfigurationError,
    S3Endpoint,
)
from synapse_workflows.local.s3.object_store import ObjectStore
from synapse_workflows.local.s3.server import S3Server, find_weed
from synapse_workflows.local.storage.secret import load_secret

log = logging.getLogger("synapse_workflows.local")

AUTO: Final = "auto"
OFF: Final = "off"
#: Variable with the role of temporary credentials of an external server.
ROLE_VARIABLE: Final = "SYNAPSE_S3_ROLE_ARN"


@contextmanager
def open_s3(
    choice: str, data_dir: Path, *, is_lazy: bool = False
) -> Iterator[EndpointProvider | None]:
    """Provide the S3 server of a service during the block.

    Args:
        choice: `auto` to start a server, if it is installed; `off` for none; or the URL of an
            external server.
        data_dir: Data directory of the service.
        is_lazy: Whether the server starts at the first use of the endpoint. By default it starts
            at once, in the background.

    Yields:
        A function that returns the endpoint and waits for the server; None without a server.

    Raises:
        S3ConfigurationError: The external server does not respond, or its URL or credentials are
            missing or invalid.
    """
    if choice == OFF:
        yield None
    elif choice != AUTO:
        endpoint = read_endpoint(choice, os.environ)
        _check(endpoint)
        yield lambda: endpoint
    elif missing := _find_missing():
        log.info(
            "There is no S3 server: %s is not installed. Everything except temporary credentials "
            "and files in buckets works. To install it: pip install "
            "'synapse-workflows[s3-server]'",
            missing,
        )
        yield None
    else:
        server = S3Server(data_dir, load_secret(data_dir))
        if not is_lazy:
            server.start()
        try:
            yield server.wait_until_ready
        finally:
            server.stop()


def _find_missing() -> str | None:
    """Return what the service needs to start an S3 server and is not installed."""
    if find_weed() is None:
        return "weed"
    return None if importlib.util.find_spec("boto3") else "boto3"


def read_endpoint(url: str, environment: Mapping[str, str]) -> S3Endpoint:
    """Return the endpoint of an external server, with the credentials from the environment.

    Args:
        url: URL of the server.
        environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`; optional: `AWS_SESSION_TOKEN`,
            `AWS_REGION` or `AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL_STS` (the default is `url`)
            and `SYNAPSE_S3_ROLE_ARN` (the role of temporary credentials).

    Raises:
        S3ConfigurationError: The URL is invalid, or a variable is missing.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise S3ConfigurationError(
            f"Invalid S3 server {url!r}: expected auto, off or a URL, for example "
            "http://127.0.0.1:9000."
        )
    if parts.password is not None or parts.username is not None:
        raise S3ConfigurationError(
            "The URL of the S3 server has credentials. Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY instead."
        )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        if not environment.get(name):
            raise S3ConfigurationError(
                f"{name} is not set. The S3 server {url} needs the credentials of a user who may "
                "read and write all buckets and assume a role: set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY."
            )
    regions = (environment.get("AWS_REGION"), environment.get("AWS_DEFAULT_REGION"))
    return S3Endpoint(
        url=url.rstrip("/"),
        access_key_id=environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        session_token=environment.get("AWS_SESSION_TOKEN") or None,
        region=next(filter(None, regions), DEFAULT_REGION),
        sts_url=environment.get("AWS_ENDPOINT_URL_STS") or None,
        role_arn=environment.get(ROLE_VARIABLE) or DEFAULT_ROLE,
    )


def _check(endpoint: S3Endpoint) -> None:
    """Check that an external server responds and accepts the credentials.

    Raises:
        S3ConfigurationError: It does not.
    """
    try:
        ObjectStore(lambda: endpoint).list_buckets()
    except ServiceError as error:
        raise S3ConfigurationError(f"The S3 server cannot be used: {error}") from None
