"""Passwords, and login sessions of users who logged in with a password."""

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import delete
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import principal_names, request_fields, terms_of_use
from synapse_workflows.local.domain.auth import ALL_SCOPES, HOUR_MS, build_claims, hash_token
from synapse_workflows.local.domain.signing import Signer
from synapse_workflows.local.errors import Unauthorized
from synapse_workflows.local.storage.credential_models import LoginSession, Password

#: Validity of a session token, in milliseconds.
SESSION_MS: Final = 24 * HOUR_MS


def create_session(
    session: Session, signer: Signer, body: Mapping[str, Any], now: int
) -> dict[str, Any]:
    """Log a user in (LoginCredentials).

    Args:
        session: Database session.
        signer: Signer of the session token.
        body: `email` (an e-mail address or a user name) and `password`.
        now: Milliseconds since the epoch.

    Returns:
        The session token (Session). It is valid for 24 hours.

    Raises:
        BadRequest: A field is missing.
        Unauthorized: The user is unknown or has no password, or the password is wrong.
    """
    email = request_fields.get_required_text(body, "email")
    password = request_fields.get_required_text(body, "password")
    user = principal_names.find_user(session, email)
    record = session.get(Password, user.id) if user is not None else None
    if record is None or not _matches(record.salted_hash, password):
        raise Unauthorized("The provided username/password combination is incorrect")
    token = signer.sign_token(_claims(record.user_id, now))
    session.execute(delete(LoginSession).where(LoginSession.expires_on <= now))
    session.add(
        LoginSession(digest=hash_token(token), user_id=record.user_id, expires_on=now + SESSION_MS)
    )
    return {
        "sessionToken": token,
        "acceptsTermsOfUse": terms_of_use.has_agreed(session, record.user_id),
    }


def configure(session: Session, user_id: int, password: str | None) -> None:
    """Set the password of a user to the password in the settings; None removes it."""
    record = session.get(Password, user_id)
    if password is None:
        if record is not None:
            session.delete(record)
    elif record is None:
        session.add(Password(user_id=user_id, salted_hash=_hash(password)))
    elif not _matches(record.salted_hash, password):
        record.salted_hash = _hash(password)


def end_session(session: Session, token: str) -> bool:
    """End the login session of a session token. Return False if there is no such session."""
    record = session.get(LoginSession, hash_token(token))
    if record is not None:
        session.delete(record)
    return record is not None


def _claims(user_id: int, now: int) -> dict[str, Any]:
    return build_claims(user_id, str(uuid.uuid4()), now, ALL_SCOPES) | {
        "exp": (now + SESSION_MS) // 1000,
        "token_type": "OIDC_ACCESS_TOKEN",
    }


def _hash(password: str, salt: bytes | None = None) -> str:
    """Return the salt and the scrypt hash of a password, in hexadecimal digits."""
    salt = salt or secrets.token_bytes(16)
    return f"{salt.hex()}:{hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1).hex()}"


def _matches(salted_hash: str, password: str) -> bool:
    salt = bytes.fromhex(salted_hash.partition(":")[0])
    return hmac.compare_digest(salted_hash, _hash(password, salt))
