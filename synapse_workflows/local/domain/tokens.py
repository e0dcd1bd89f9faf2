"""Personal access tokens."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import TOKEN_SCOPES
from synapse_workflows.local.domain import auth, request_fields
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import next_id
from synapse_workflows.local.domain.paging import build_next_token, parse_token
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.signing import Signer
from synapse_workflows.local.errors import BadRequest, Forbidden, NotFound
from synapse_workflows.local.storage.models import AccessToken

MAX_TOKENS: Final = 100


def _parse_scopes(caller: Caller, body: Mapping[str, Any]) -> list[str]:
    """Return the requested scopes that the caller's token has.

    A request without scopes requests all scopes.
    """
    requested = request_fields.get_list(body, "scope")
    scopes = [
        request_fields.parse_choice(auth.ALL_SCOPES, each, "scope")
        for each in requested or TOKEN_SCOPES
    ]
    return [each for each in TOKEN_SCOPES if each in scopes and each in caller.scopes]


def _parse_claims(body: Mapping[str, Any]) -> dict[str, Any]:
    claims = request_fields.get_object(body, "userInfoClaims") or {}
    return {name: request_fields.get_object(claims, name) for name in claims}


def sign_token(signer: Signer, record: AccessToken) -> str:
    """Return the token of a token record."""
    claims = auth.build_claims(
        record.user_id, record.jti, record.created_on, record.scopes, record.claims
    )
    return signer.sign_token(claims)


def create(
    session: Session, signer: Signer, caller: Caller, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Create a token (AccessTokenGenerationRequest).

    Returns:
        The token. It is not stored and cannot be read again.

    Raises:
        BadRequest: The caller has a token with that name, or a scope is unknown.
    """
    name = (request_fields.get_text(body, "name") or str(uuid.uuid4())).strip()
    own = select(AccessToken).where(AccessToken.user_id == caller.id)
    if session.scalar(own.where(AccessToken.name == name)) is not None:
        raise BadRequest("The token name is already in use")
    record = AccessToken(
        id=next_id(session, "token"),
        user_id=caller.id,
        name=name,
        jti=str(uuid.uuid4()),
        scopes=_parse_scopes(caller, body),
        claims=_parse_claims(body),
        created_on=caller.now,
        last_used=caller.now,
        seeded=False,
    )
    token = sign_token(signer, record)
    record.digest = auth.hash_token(token)
    session.add(record)
    session.flush()
    _delete_least_used(session, caller, record)
    return {"token": token}


def _delete_least_used(session: Session, caller: Caller, newest: AccessToken) -> None:
    """Delete the least recently used tokens above the limit.

    The newest token and seeded tokens are never deleted.
    """
    others = (
        select(AccessToken)
        .where(
            AccessToken.user_id == caller.id,
            AccessToken.id != newest.id,
            AccessToken.seeded.is_(False),
        )
        .order_by(AccessToken.last_used.desc(), AccessToken.id.desc())
        .offset(MAX_TOKENS - 1)
    )
    for each in session.scalars(others):
        session.delete(each)


def _serialize(record: AccessToken, now: int) -> dict[str, Any]:
    return {
        "id": str(record.id),
        "name": record.name,
        "userId": str(record.user_id),
        "scopes": record.scopes,
        "userInfoClaims": record.claims,
        "createdOn": to_iso(record.created_on),
        "lastUsed": to_iso(record.last_used),
        "state": "EXPIRED" if auth.is_expired(record.last_used, now) else "ACTIVE",
    }


def list_tokens(session: Session, caller: Caller, token: str | None) -> dict[str, Any]:
    """List one page of the caller's tokens (AccessTokenRecordList), newest first.

    Raises:
        BadRequest: The page token is invalid.
    """
    page = parse_token(token)
    query = select(AccessToken).where(AccessToken.user_id == caller.id)
    query = query.order_by(AccessToken.id.desc()).limit(page.limit + 1).offset(page.offset)
    results = [_serialize(each, caller.now) for each in session.scalars(query)]
    return {
        "results": results[: page.limit],
        "nextPageToken": build_next_token(page, len(results)),
    }


def _get(session: Session, caller: Caller, token_id: int) -> AccessToken:
    record = session.get(AccessToken, token_id)
    if record is None or (record.user_id != caller.id and not caller.is_admin):
        raise NotFound(f"A token with id {token_id} does not exist")
    return record


def get(session: Session, caller: Caller, token_id: int) -> dict[str, Any]:
    """Return the record of a token (AccessTokenRecord).

    Raises:
        NotFound: The caller has no such token.
    """
    return _serialize(_get(session, caller, token_id), caller.now)


def revoke(session: Session, caller: Caller, token_id: int | None) -> None:
    """Revoke a token.

    Raises:
        Forbidden: The service created the token at its first start.
        NotFound: The caller has no such token.
    """
    if token_id is None:
        raise NotFound("Cannot revoke the token of the request: the request has no access token.")
    record = _get(session, caller, token_id)
    if record.seeded:
        raise Forbidden("Tokens that the service created at its first start cannot be revoked.")
    session.delete(record)
