"""Address and credentials of an S3-compatible server."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

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


#: Returns the endpoint of a server; waits until the server has started.
EndpointProvider = Callable[[], S3Endpoint]
