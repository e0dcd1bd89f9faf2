"""boto3 clients of an S3-compatible server, with the credentials of its administrator."""

import logging
import os
import threading
from typing import Any, Final, Literal

from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.s3.endpoint import (
    EndpointProvider,
    S3ConfigurationError,
    S3Endpoint,
)

log = logging.getLogger("synapse_workflows.local")

ApiName = Literal["s3", "sts"]
#: Sources of the settings of a boto3 session: neither variables nor files of AWS.
_NO_SETTINGS: Final[dict[str, tuple[Any, ...]]] = {
    "profile": (None, [], None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class S3Clients:
    """The clients of a server that may still start. They are created at the first use.

    Args:
        get_endpoint: Returns the server; waits until it has started.
        timeout: Maximum time in seconds that a client waits for bytes of a response.
        attempts: Maximum number of attempts of a request.
    """

    def __init__(
        self, get_endpoint: EndpointProvider, timeout: float = 60, attempts: int = 4
    ) -> None:
        self._get_endpoint = get_endpoint
        self._options = {
            "read_timeout": timeout,
            "retries": {"mode": "standard", "total_max_attempts": attempts},
        }
        self._endpoint: S3Endpoint | None = None
        self._clients: dict[ApiName, Any] = {}
        self._lock = threading.Lock()

    @property
    def endpoint(self) -> S3Endpoint:
        """The server.

        Raises:
            BadRequest: The server did not start.
        """
        if self._endpoint is None:
            try:
                self._endpoint = self._get_endpoint()
            except S3ConfigurationError as error:
                log.warning("%s", error)
                raise BadRequest(
                    "The S3 server of this service did not start, so files in buckets and "
                    "temporary credentials are not available. See the log of the service, and "
                    "restart it."
                ) from None
        return self._endpoint

    def get(self, api: ApiName) -> Any:
        """Return the client of an API. Clients are thread-safe.

        Raises:
            BadRequest: The server did not start.
        """
        endpoint = self.endpoint
        with self._lock:
            if api not in self._clients:
                self._clients[api] = _create_client(endpoint, api, self._options)
            return self._clients[api]


def _create_client(endpoint: S3Endpoint, api: ApiName, options: dict[str, Any]) -> Any:
    import boto3
    from botocore.config import Config
    from botocore.session import Session

    from synapse_workflows.aws_service_data import share_service_data

    session = boto3.Session(
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
        aws_session_token=endpoint.session_token,
        region_name=endpoint.region,
        botocore_session=share_service_data(Session(_NO_SETTINGS)),
    )
    return session.client(
        api,
        endpoint_url=endpoint.sts_url if api == "sts" and endpoint.sts_url else endpoint.url,
        config=Config(
            signature_version="s3v4" if api == "s3" else None,
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=5,
            max_pool_connections=32,
            proxies={} if endpoint.token_key else None,  # no proxies between local processes
            **options,
        ),
    )
