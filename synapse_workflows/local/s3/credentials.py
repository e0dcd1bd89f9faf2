"""Temporary credentials that are limited to a prefix of a bucket."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from synapse_workflows.constants import StsPermission
from synapse_workflows.local.s3.clients import S3Clients
from synapse_workflows.local.s3.endpoint import EndpointProvider
from synapse_workflows.local.s3.errors import translate_errors

#: Limits of the validity of temporary credentials in seconds.
MIN_SECONDS: Final = 900
MAX_SECONDS: Final = 12 * 3600
_READ: Final = ("s3:GetObject",)
_WRITE: Final = (
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
)
_LIST: Final = ("s3:ListBucket",)
_LIST_WRITE: Final = ("s3:ListBucketMultipartUploads",)


@dataclass(frozen=True, kw_only=True)
class TemporaryCredentials:
    """Credentials that expire.

    Args:
        access_key_id: Access key.
        secret_access_key: Secret key.
        session_token: Session token.
        expiration: Time at which the credentials expire.
    """

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration: datetime


def create_session_policy(
    bucket: str, prefix: str | None, permission: StsPermission
) -> dict[str, Any]:
    """Return the IAM policy of temporary credentials.

    Args:
        bucket: Name of the bucket.
        prefix: Path without slashes at its ends; None for the whole bucket.
        permission: Read access, or read and write access.
    """
    is_writable = permission is StsPermission.READ_WRITE
    pattern = f"{prefix}/*" if prefix else "*"
    objects = {
        "Effect": "Allow",
        "Action": [*_READ, *(_WRITE if is_writable else ())],
        "Resource": [f"arn:aws:s3:::{bucket}/{pattern}"],
    }
    listing: dict[str, Any] = {
        "Effect": "Allow",
        "Action": [*_LIST, *(_LIST_WRITE if is_writable else ())],
        "Resource": [f"arn:aws:s3:::{bucket}"],
    }
    if prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": [f"{prefix}/*"]}}
    return {"Version": "2012-10-17", "Statement": [objects, listing]}


class CredentialIssuer:
    """Issues temporary credentials of an S3 server.

    Args:
        get_endpoint: Returns the server, with the credentials of its administrator. It is called
            at the first use.
        seconds: Validity of the credentials in seconds. Less than 900 seconds are for tests of
            clients; only the server that the service starts supports them.
    """

    def __init__(self, get_endpoint: EndpointProvider, seconds: int = MAX_SECONDS) -> None:
        self._clients = S3Clients(get_endpoint)
        self._seconds = seconds

    def issue(
        self, bucket: str, prefix: str | None, permission: StsPermission, session_name: str
    ) -> TemporaryCredentials:
        """Request temporary credentials (AssumeRole with a session policy).

        Args:
            bucket: Name of the bucket.
            prefix: Path to which the credentials are limited; None for the whole bucket.
            permission: Read access, or read and write access.
            session_name: Name of the session in logs of the server, 2 to 64 characters.

        Raises:
            S3Error: The server refused the request.
            ServiceUnavailable: The server does not respond.
        """
        policy = create_session_policy(bucket, prefix and prefix.strip("/"), permission)
        endpoint = self._clients.endpoint
        key = endpoint.token_key
        with translate_errors(endpoint.url):
            reply = self._clients.get("sts").assume_role(
                RoleArn=endpoint.role_arn,
                RoleSessionName=session_name,
                DurationSeconds=max(self._seconds, MIN_SECONDS),
                Policy=json.dumps(policy, separators=(",", ":")),
            )
        issued = reply["Credentials"]
        credentials = TemporaryCredentials(
            access_key_id=issued["AccessKeyId"],
            secret_access_key=issued["SecretAccessKey"],
            session_token=issued["SessionToken"],
            expiration=issued["Expiration"],
        )
        if key is None or self._seconds >= MIN_SECONDS:
            return credentials
        return _shorten(credentials, key, self._seconds)


def _shorten(credentials: TemporaryCredentials, key: bytes, seconds: int) -> TemporaryCredentials:
    """Return credentials that expire earlier than `AssumeRole` allows.

    The session token is a JWT; its claim `exp` is the expiration time.
    """
    import jwt

    claims = jwt.decode(
        credentials.session_token, key, algorithms=["HS256"], options={"verify_aud": False}
    )
    claims["exp"] = claims["iat"] + seconds
    return replace(
        credentials,
        session_token=jwt.encode(claims, key, algorithm="HS256"),
        expiration=datetime.fromtimestamp(claims["exp"], tz=UTC),
    )
