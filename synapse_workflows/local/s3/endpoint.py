"""Address and credentials of an S3-compatible server."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

#: Role that `AssumeRole` requests name if no other is configured.
DEFAULT_ROLE: Final = "arn:aws:iam::000000000000:role/synapse"
DEFAULT_REGION: Final = "us-east-1"


class S3ConfigurationError(RuntimeError):
    """The configured S3 server cannot be used."""


@dataclass(frozen=True, kw_only=True)
class S3Endpoint:
    """An S3-compatible server and the credentials of its administrator.

    Args:
        url: URL of the server.
        access_key_id: Access key of the administrator.
        secret_access_key: Secret key of the administrator.
        session_token: Session token of temporary credentials; None for permanent credentials.
        region: Region in signatures.
        sts_url: URL of the STS API; None if it is `url`.
        role_arn: Role of `AssumeRole` requests.
        can_create_buckets: Whether the service creates missing buckets.
        token_key: Key that signs session tokens, if the service started the server; else None.
    """

    url: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str = DEFAULT_REGION
    sts_url: str | None = None
    role_arn: str = DEFAULT_ROLE
    can_create_buckets: bool = False
    token_key: bytes | None = field(default=None, repr=False)

    @cached_property
    def _session(self) -> Any:
        """The boto3 session. It ignores configuration files, profiles and variables of AWS."""
        import boto3
        from botocore.session import Session

        session = Session(
            {
                "profile": (None, [], None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
        return boto3.Session(
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            aws_session_token=self.session_token,
            region_name=self.region,
            botocore_session=session,
        )

    def create_client(self, service_name: str) -> Any:
        """Create a boto3 client. Clients are thread-safe.

        Args:
            service_name: `s3` or `sts`.
        """
        from botocore.config import Config

        url = self.sts_url if service_name == "sts" and self.sts_url else self.url
        return self._session.client(
            service_name,
            endpoint_url=url,
            config=Config(
                signature_version="s3v4" if service_name == "s3" else None,
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                parameter_validation=service_name != "sts",  # durations of less than 15 minutes
                connect_timeout=5,
                read_timeout=60,
                retries={"mode": "standard", "total_max_attempts": 4},
                max_pool_connections=32,
            ),
        )


#: Returns the endpoint of a server; waits until the server has started.
EndpointProvider = Callable[[], S3Endpoint]
