"""Routes of personal access tokens (auth/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import tokens
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.errors import Gone
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.responses import ApiResponse, empty_response

router = APIRouter(prefix="/auth/v1")


@router.post("/personalAccessToken")
def create_token(request: JsonRequest) -> Response:
    """Create a personal access token.

    Source: POST /personalAccessToken
    """
    with request.write_transaction("authorize") as tx:
        signer = tx.service.signer
        return ApiResponse(tokens.create(tx.session, signer, tx.caller, request.json_object()))


@router.get("/personalAccessToken")
def list_tokens(request: JsonRequest, nextPageToken: str | None = None) -> Response:  # noqa: N803
    """List the personal access tokens of the caller.

    Source: GET /personalAccessToken
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(tokens.list_tokens(tx.session, tx.caller, nextPageToken))


@router.get("/personalAccessToken/{token_id}")
def get_token(request: JsonRequest, token_id: str) -> Response:
    """Return the record of a personal access token.

    Source: GET /personalAccessToken/{id}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(tokens.get(tx.session, tx.caller, parse_id(token_id, "id")))


@router.delete("/personalAccessToken/{token_id}")
def revoke_token(request: JsonRequest, token_id: str) -> Response:
    """Revoke a personal access token.

    Source: DELETE /personalAccessToken/{id}
    """
    with request.write_transaction("modify", "authorize") as tx:
        tokens.revoke(tx.session, tx.caller, parse_id(token_id, "id"))
    return empty_response()


@router.delete("/sessionAccessToken")
def revoke_own_token(request: JsonRequest) -> Response:
    """Revoke the access token with which the request is authenticated.

    Source: DELETE /sessionAccessToken
    """
    with request.write_transaction("modify", "authorize") as tx:
        tokens.revoke(tx.session, tx.caller, tx.caller.token_id)
    return empty_response()


@router.get("/authenticatedOn")
def get_authenticated_on(request: JsonRequest) -> Response:
    """Return the time of the last login. This service returns the current time.

    Source: GET /authenticatedOn
    """
    with request.read_transaction() as tx:
        return ApiResponse({"authenticatedOn": to_iso(tx.caller.now)})


@router.get("/secretKey")
@router.delete("/secretKey")
def reject_secret_key() -> Response:
    """Reject the request, because Synapse no longer supports API keys.

    Source: GET, DELETE /secretKey
    """
    raise Gone("API keys were withdrawn. Use a personal access token instead.")
