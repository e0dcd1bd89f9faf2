"""Routes of personal access tokens (auth/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import tokens
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.errors import Gone
from synapse_workflows.local.routers.dependencies import Call
from synapse_workflows.local.routers.responses import Answer, empty

router = APIRouter(prefix="/auth/v1")


@router.post("/personalAccessToken")
def create_token(call: Call) -> Response:
    """Make a token.

    Source: POST /personalAccessToken
    """
    with call.writing("authorize") as work:
        signer = work.service.signer
        return Answer(tokens.create(work.session, signer, work.caller, call.json_object()))


@router.get("/personalAccessToken")
def list_tokens(call: Call, nextPageToken: str | None = None) -> Response:  # noqa: N803
    """List the caller's tokens.

    Source: GET /personalAccessToken
    """
    with call.reading("view") as work:
        return Answer(tokens.list_tokens(work.session, work.caller, nextPageToken))


@router.get("/personalAccessToken/{token_id}")
def get_token(call: Call, token_id: str) -> Response:
    """Give the record of one token.

    Source: GET /personalAccessToken/{id}
    """
    with call.reading("view") as work:
        return Answer(tokens.get(work.session, work.caller, parse_id(token_id, "id")))


@router.delete("/personalAccessToken/{token_id}")
def revoke_token(call: Call, token_id: str) -> Response:
    """Revoke one token.

    Source: DELETE /personalAccessToken/{id}
    """
    with call.writing("modify", "authorize") as work:
        tokens.revoke(work.session, work.caller, parse_id(token_id, "id"))
    return empty()


@router.delete("/sessionAccessToken")
def revoke_own_token(call: Call) -> Response:
    """Revoke the token of this very call.

    Source: DELETE /sessionAccessToken
    """
    with call.writing("modify", "authorize") as work:
        tokens.revoke(work.session, work.caller, work.caller.token_id)
    return empty()


@router.get("/authenticatedOn")
def authenticated_on(call: Call) -> Response:
    """Tell when the caller last logged in; here that is now.

    Source: GET /authenticatedOn
    """
    with call.reading() as work:
        return Answer({"authenticatedOn": to_iso(work.caller.now)})


@router.get("/secretKey")
@router.delete("/secretKey")
def secret_key() -> Response:
    """Say that API keys are gone.

    Source: GET, DELETE /secretKey
    """
    raise Gone("API keys were withdrawn. Use a personal access token instead.")
