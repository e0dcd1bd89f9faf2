"""Routes of logins, access tokens, API keys and terms of use (auth/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import api_keys, logins, terms_of_use, tokens
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    empty_response,
    no_content_response,
)

router = APIRouter(prefix="/auth/v1", route_class=LazyRoute)


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
        token = request.credentials
        if not (isinstance(token, str) and logins.end_session(tx.session, token)):
            tokens.revoke(tx.session, tx.caller, tx.caller.token_id)
    return empty_response()


@router.get("/authenticatedOn")
def get_authenticated_on(request: JsonRequest) -> Response:
    """Return the time of the last login. This service returns the current time.

    Source: GET /authenticatedOn
    """
    with request.read_transaction() as tx:
        return ApiResponse({"authenticatedOn": to_iso(tx.caller.now)})


@router.post("/session")
def create_session(request: JsonRequest) -> Response:
    """Log in with a password, and return a session token.

    Source: POST /session
    """
    with request.without_credentials().write_transaction() as tx:
        signer, body = tx.service.signer, request.json_object()
        return created_response(logins.create_session(tx.session, signer, body, tx.caller.now))


@router.get("/secretKey")
def get_secret_key(request: JsonRequest) -> Response:
    """Return the API key of the caller; create it on the first request.

    Source: GET /secretKey
    """
    with request.write_transaction("modify", "authorize") as tx:
        return ApiResponse(api_keys.get_or_create(tx.session, tx.caller))


@router.delete("/secretKey")
def invalidate_secret_key(request: JsonRequest) -> Response:
    """Replace the API key of the caller.

    Source: DELETE /secretKey
    """
    with request.write_transaction("modify", "authorize") as tx:
        api_keys.invalidate(tx.session, tx.caller)
    return no_content_response()


@router.post("/termsOfUse2")
def sign_terms_of_use(request: JsonRequest) -> Response:
    """Agree to the terms of use, for the user of the token in the body.

    Source: POST /termsOfUse2
    """
    with request.without_credentials().write_transaction() as tx:
        terms_of_use.sign(tx.session, request.json_object(), tx.caller.now)
    return no_content_response()


@router.get("/termsOfUse2/info")
def get_terms_of_use_info() -> Response:
    """Return the current terms of use.

    Source: GET /termsOfUse2/info
    """
    return ApiResponse(terms_of_use.get_info())


@router.get("/termsOfUse2/status")
def get_terms_of_use_status(request: JsonRequest) -> Response:
    """Return whether the caller has agreed to the terms of use.

    Source: GET /termsOfUse2/status
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(terms_of_use.get_status(tx.session, tx.caller))
