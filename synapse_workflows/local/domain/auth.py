"""Authentication with access tokens."""

import hashlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    ADMINISTRATORS,
    CERTIFIED_USERS,
    TOKEN_SCOPES,
)
from synapse_workflows.local.domain import access_lists
from synapse_workflows.local.domain.principal import Caller, create_anonymous
from synapse_workflows.local.errors import InsufficientScope, Unauthorized
from synapse_workflows.local.storage.models import AccessToken

#: Scopes of the tokens that the service creates at its first start.
ALL_SCOPES = (*TOKEN_SCOPES, "authorize")

HOUR_MS = 60 * 60 * 1000
#: A token expires if it is not used for this time, in milliseconds.
IDLE_LIMIT_MS = 180 * 24 * HOUR_MS


def hash_token(token: str) -> str:
    """Return the hash of a token, which is stored instead of the token."""
    return hashlib.sha256(token.encode()).hexdigest()


def build_claims(record: AccessToken) -> dict[str, Any]:
    """Return the JWT claims of a token record; dates in seconds since the epoch."""
    issued = record.created_on // 1000
    return {
        "sub": str(record.user_id),
        "iss": "https://synapse.local/auth/v1",
        "aud": "0",
        "iat": issued,
        "nbf": issued,
        "jti": record.jti,
        "token_type": "PERSONAL_ACCESS_TOKEN",
        "access": {"scope": list(record.scopes), "oidc_claims": record.claims},
    }


def is_expired(record: AccessToken, now: int) -> bool:
    """Return whether a token has expired because it was not used for too long.

    Args:
        record: Token record.
        now: Milliseconds since the epoch.
    """
    return now - record.last_used > IDLE_LIMIT_MS


def _build_caller(session: Session, record: AccessToken, now: int) -> Caller:
    """Return the caller for a token record."""
    groups = access_lists.list_groups(session, record.user_id)
    return Caller(
        id=record.user_id,
        scopes=frozenset(record.scopes),
        groups=groups,
        is_admin=ADMINISTRATORS in groups,
        is_certified=CERTIFIED_USERS in groups or ADMINISTRATORS in groups,
        is_anonymous=False,
        now=now,
        token_id=record.id,
        is_last_use_outdated=now - record.last_used > HOUR_MS,
    )


def update_last_use(session: Session, caller: Caller) -> None:
    """Set the date of the last use of the caller's token."""
    record = session.get(AccessToken, caller.token_id)
    if record is not None:
        record.last_used = caller.now


def authenticate(session: Session, token: str | None, now: int) -> Caller:
    """Return the caller for a token.

    Args:
        session: Database session.
        token: Token of the request; None for an anonymous caller.
        now: Milliseconds since the epoch.

    Raises:
        Unauthorized: The token is unknown, revoked or expired.
    """
    if token is None:
        return create_anonymous(now)
    record = session.scalar(select(AccessToken).where(AccessToken.digest == hash_token(token)))
    if record is None or is_expired(record, now):
        raise Unauthorized
    return _build_caller(session, record, now)


def check_scopes(caller: Caller, scopes: Iterable[str]) -> None:
    """Check that the caller's token has all scopes.

    An anonymous caller passes unless the scope `authorize` is required. ACLs determine what an
    anonymous caller can access.

    Raises:
        Unauthorized: The caller is anonymous and `authorize` is required.
        InsufficientScope: A scope is missing.
    """
    required = tuple(scopes)
    if caller.is_anonymous:
        if "authorize" in required:
            raise Unauthorized("You must be logged in to do this.")
        return
    if not caller.scopes.issuperset(required):
        raise InsufficientScope(required)
