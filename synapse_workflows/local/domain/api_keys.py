"""API keys of users, and requests that are signed with an API key."""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.local.domain import principal_names
from synapse_workflows.local.domain.dates import parse_date
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.errors import Unauthorized
from synapse_workflows.local.storage.credential_models import ApiKey

#: Maximum difference between the timestamp of a request and the time of the service.
MAX_SKEW_MS: Final = 31 * 60 * 1000
_KEY_BYTES: Final = 64


@dataclass(frozen=True)
class SignedRequest:
    """Signature of a request.

    Args:
        user: Name or e-mail address of the user (header `userId`).
        timestamp: Time of the request, as the client wrote it (header `signatureTimestamp`).
        signature: Base64 of the HMAC-SHA1 (header `signature`).
        path: Path of the request as it was sent, without query.
    """

    user: str
    timestamp: str
    signature: str = field(repr=False)
    path: str


def sign(secret_key: str, user: str, path: str, timestamp: str) -> str:
    """Return the signature of a request: Base64 of the HMAC-SHA1 of user, path and timestamp.

    Args:
        secret_key: API key in Base64.
        user: Name or e-mail address, as in the request.
        path: Path of the request without query.
        timestamp: Timestamp, as in the request.
    """
    text = f"{user}{path}{timestamp}".encode()
    digest = hmac.new(base64.b64decode(secret_key), text, hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def authenticate(session: Session, request: SignedRequest, now: int) -> int:
    """Return the ID of the user who signed a request.

    Args:
        session: Database session.
        request: Signature of the request.
        now: Milliseconds since the epoch.

    Raises:
        Unauthorized: The timestamp is not the current time, or the signature is invalid.
    """
    try:
        skew = abs(now - parse_date(request.timestamp))
    except ValueError:
        skew = MAX_SKEW_MS + 1
    if skew > MAX_SKEW_MS:
        raise Unauthorized(f"Timestamp in request, {request.timestamp}, is out of date")
    user = principal_names.find_user(session, request.user)
    record = session.get(ApiKey, user.id) if user is not None else None
    if record is not None:
        expected = sign(record.secret_key, request.user, request.path, request.timestamp)
        if hmac.compare_digest(expected.encode(), request.signature.encode()):
            return record.user_id
    raise Unauthorized("Invalid digital signature")


def get_or_create(session: Session, caller: Caller) -> dict[str, Any]:
    """Return the API key of the caller (SecretKey); create it if the caller has none."""
    record = session.get(ApiKey, caller.id)
    if record is None:
        record = ApiKey(user_id=caller.id, secret_key=_generate())
        session.add(record)
    return {"secretKey": record.secret_key}


def invalidate(session: Session, caller: Caller) -> None:
    """Replace the API key of the caller, so that the earlier key becomes invalid."""
    record = session.get(ApiKey, caller.id)
    if record is not None:
        record.secret_key = _generate()


def configure(session: Session, user_id: int, secret_key: str | None) -> str | None:
    """Set the API key of a user to the key in the settings, and return the current key.

    A key that was invalidated stays invalid, unless the key in the settings has changed.

    Args:
        session: Database session.
        user_id: Principal ID.
        secret_key: API key in Base64; None leaves the key unchanged and returns None.
    """
    if secret_key is None:
        return None
    digest = hashlib.sha256(secret_key.encode()).hexdigest()
    record = session.get(ApiKey, user_id)
    if record is None:
        record = ApiKey(user_id=user_id, secret_key=secret_key, configured_digest=digest)
        session.add(record)
    elif record.configured_digest != digest:
        record.secret_key, record.configured_digest = secret_key, digest
    return record.secret_key


def is_valid(secret_key: str) -> bool:
    """Return whether a text can be an API key: Base64 of at least one byte."""
    try:
        return bool(base64.b64decode(secret_key, validate=True))
    except (binascii.Error, ValueError):
        return False


def _generate() -> str:
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
