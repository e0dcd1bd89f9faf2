"""Authentication with access tokens, session tokens and signatures."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, ColumnElement, bindparam, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from synapse_workflows.constants import (
    ADMINISTRATORS,
    CERTIFIED_USERS,
    TOKEN_SCOPES,
)
from synapse_workflows.local.domain import access_lists, api_keys
from synapse_workflows.local.domain.api_keys import SignedRequest
from synapse_workflows.local.domain.principal import Caller, create_anonymous
from synapse_workflows.local.errors import InsufficientScope, Unauthorized
from synapse_workflows.local.storage.credential_models import LoginSession, TermsAgreement
from synapse_workflows.local.storage.database import fetch_rows
from synapse_workflows.local.storage.models import AccessToken, Membership


@dataclass(frozen=True)
class PortalUser:
    """User of a verified session of the portal, who can only read.

    Args:
        id: Principal ID.
    """

    id: int


#: Credentials of a request: an access token or session token, a signature, a session of the
#: portal, or none.
RequestCredentials = str | SignedRequest | PortalUser | None

#: Scopes of the tokens that the service creates at its first start, of sessions and signatures.
ALL_SCOPES = (*TOKEN_SCOPES, "authorize")
#: Scopes of sessions of the portal.
_PORTAL_SCOPES = ("view", "download")

HOUR_MS = 60 * 60 * 1000
#: A token expires if it is not used for this time, in milliseconds.
IDLE_LIMIT_MS = 180 * 24 * HOUR_MS


def _build_user_columns(
    user_id: ColumnElement[int] | InstrumentedAttribute[int],
) -> tuple[ColumnElement[list[int]], ColumnElement[bool]]:
    """Build the columns `groups` and `must_agree` of a query for a user."""
    groups = select(func.json_group_array(Membership.group_id, type_=JSON))
    must_agree = exists().where(
        TermsAgreement.user_id == user_id, TermsAgreement.agreed_on.is_(None)
    )
    return (
        groups.where(Membership.member_id == user_id).scalar_subquery().label("groups"),
        must_agree.label("must_agree"),
    )


_USER = select(*_build_user_columns(bindparam("user_id")))
_TOKEN = select(
    AccessToken.id,
    AccessToken.user_id,
    AccessToken.scopes,
    AccessToken.last_used,
    *_build_user_columns(AccessToken.user_id),
).where(AccessToken.digest == bindparam("digest"))


def hash_token(token: str) -> str:
    """Return the hash of a token, which is stored instead of the token."""
    return hashlib.sha256(token.encode()).hexdigest()


def build_claims(
    user_id: int,
    jti: str,
    created_on: int,
    scopes: Iterable[str],
    oidc_claims: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the JWT claims of a personal access token; dates in seconds since the epoch.

    Args:
        user_id: Principal ID of the owner.
        jti: ID of the token.
        created_on: Milliseconds since the epoch.
        scopes: OAuth scopes.
        oidc_claims: OpenID Connect claims.
    """
    issued = created_on // 1000
    return {
        "sub": str(user_id),
        "iss": "https://synapse.local/auth/v1",
        "aud": "0",
        "iat": issued,
        "nbf": issued,
        "jti": jti,
        "token_type": "PERSONAL_ACCESS_TOKEN",
        "access": {"scope": list(scopes), "oidc_claims": oidc_claims or {}},
    }


def is_expired(last_used: int, now: int) -> bool:
    """Return whether a token has expired because it was not used for too long.

    Args:
        last_used: Date of the last use, in milliseconds since the epoch.
        now: Milliseconds since the epoch.
    """
    return now - last_used > IDLE_LIMIT_MS


def _get_caller(session: Session, user_id: int, scopes: Iterable[str], now: int) -> Caller:
    [user] = fetch_rows(session, _USER, user_id=user_id)
    has_agreed = not user.must_agree
    return _build_caller(user_id, scopes, user.groups, now=now, has_agreed=has_agreed)


def _build_caller(
    user_id: int, scopes: Iterable[str], explicit_groups: Iterable[int], **fields: Any
) -> Caller:
    """Return an authenticated caller.

    Args:
        user_id: Principal ID.
        scopes: OAuth scopes.
        explicit_groups: IDs of the teams and built-in groups of the user.
        fields: Other fields of `Caller`.
    """
    groups = access_lists.include_implicit_groups(user_id, explicit_groups)
    return Caller(
        id=user_id,
        scopes=frozenset(scopes),
        groups=groups,
        is_admin=ADMINISTRATORS in groups,
        is_certified=CERTIFIED_USERS in groups or ADMINISTRATORS in groups,
        is_anonymous=False,
        **fields,
    )


def update_last_use(session: Session, caller: Caller) -> None:
    """Set the date of the last use of the caller's token."""
    record = session.get(AccessToken, caller.token_id)
    if record is not None:
        record.last_used = caller.now


def authenticate(session: Session, credentials: RequestCredentials, now: int) -> Caller:
    """Return the caller for the credentials of a request.

    Args:
        session: Database session.
        credentials: Credentials of the request; None for an anonymous caller.
        now: Milliseconds since the epoch.

    Raises:
        Unauthorized: The token is unknown, revoked or expired, or the signature is invalid.
    """
    if credentials is None:
        return create_anonymous(now)
    if isinstance(credentials, PortalUser):
        return _get_caller(session, credentials.id, _PORTAL_SCOPES, now)
    if isinstance(credentials, SignedRequest):
        user_id = api_keys.authenticate(session, credentials, now)
        return _get_caller(session, user_id, ALL_SCOPES, now)
    digest = hash_token(credentials)
    records = fetch_rows(session, _TOKEN, digest=digest)
    if not records:
        return _authenticate_session(session, digest, now)
    record = records[0]
    if is_expired(record.last_used, now):
        raise Unauthorized
    return _build_caller(
        record.user_id,
        record.scopes,
        record.groups,
        has_agreed=not record.must_agree,
        now=now,
        token_id=record.id,
        is_last_use_outdated=now - record.last_used > HOUR_MS,
    )


def _authenticate_session(session: Session, digest: str, now: int) -> Caller:
    record = session.get(LoginSession, digest)
    if record is None or record.expires_on <= now:
        raise Unauthorized
    return _get_caller(session, record.user_id, ALL_SCOPES, now)


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
