"""Personal access tokens: making, listing and revoking them."""

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
    """Choose the scopes of a new token: those asked for, or all, that the caller's token holds."""
    asked = request_fields.get_list(body, "scope")
    words = [
        request_fields.parse_choice(auth.ALL_SCOPES, each, "scope")
        for each in asked or TOKEN_SCOPES
    ]
    return [each for each in TOKEN_SCOPES if each in words and each in caller.scopes]


def _parse_claims(body: Mapping[str, Any]) -> dict[str, Any]:
    claims = request_fields.get_object(body, "userInfoClaims") or {}
    return {name: request_fields.get_object(claims, name) for name in claims}


def create(
    session: Session, signer: Signer, caller: Caller, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Make a token (AccessTokenGenerationRequest); it is shown this once.

    Raises:
        BadRequest: the caller has a token of that name, or a scope is unknown.
    """
    name = (request_fields.get_text(body, "name") or str(uuid.uuid4())).strip()
    mine = select(AccessToken).where(AccessToken.user_id == caller.id)
    if session.scalar(mine.where(AccessToken.name == name)) is not None:
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
    token = signer.sign_token(auth.build_claims(record))
    record.digest = auth.hash_token(token)
    session.add(record)
    session.flush()
    _delete_least_used(session, caller, record)
    return {"token": token}


def _delete_least_used(session: Session, caller: Caller, newest: AccessToken) -> None:
    """Keep the number of tokens within its bound; the newest and the first one stay."""
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
        "state": "EXPIRED" if auth.is_expired(record, now) else "ACTIVE",
    }


def list_tokens(session: Session, caller: Caller, token: str | None) -> dict[str, Any]:
    """List one page of the caller's tokens (AccessTokenRecordList), newest first.

    Raises:
        BadRequest: the page token is not one of ours.
    """
    asked = parse_token(token)
    query = select(AccessToken).where(AccessToken.user_id == caller.id)
    query = query.order_by(AccessToken.id.desc()).limit(asked.limit + 1).offset(asked.offset)
    found = [_serialize(each, caller.now) for each in session.scalars(query)]
    return {
        "results": found[: asked.limit],
        "nextPageToken": build_next_token(asked, len(found)),
    }


def _get(session: Session, caller: Caller, token_id: int) -> AccessToken:
    record = session.get(AccessToken, token_id)
    if record is None or (record.user_id != caller.id and not caller.is_admin):
        raise NotFound(f"A token with id {token_id} does not exist")
    return record


def get(session: Session, caller: Caller, token_id: int) -> dict[str, Any]:
    """Give the record of a token (AccessTokenRecord).

    Raises:
        NotFound: the caller has no such token.
    """
    return _serialize(_get(session, caller, token_id), caller.now)


def revoke(session: Session, caller: Caller, token_id: int | None) -> None:
    """Make a token worthless.

    Raises:
        Forbidden: it is the token that the service itself gave the user.
        NotFound: the caller has no such token.
    """
    if token_id is None:
        raise NotFound("There is no token to revoke.")
    record = _get(session, caller, token_id)
    if record.seeded:
        raise Forbidden("The token of the local service's own user list cannot be revoked.")
    session.delete(record)
