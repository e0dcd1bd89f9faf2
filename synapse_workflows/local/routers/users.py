"""Routes of users and principals (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import paging, request_fields, users
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.responses import ApiResponse

router = APIRouter(prefix="/repo/v1")


@router.get("/userProfile")
@router.get("/userProfile/")
def get_own_profile(request: JsonRequest) -> Response:
    """Give the caller's own profile. Clients ask with and without the slash at the end.

    Source: GET /userProfile
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(users.get_profile(tx.session, tx.caller, tx.caller.id))


@router.get("/userProfile/{user_id}")
def get_profile(request: JsonRequest, user_id: str) -> Response:
    """Give the profile of a user.

    Source: GET /userProfile/{id}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(users.get_profile(tx.session, tx.caller, parse_id(user_id, "id")))


@router.post("/userProfile")
def get_profiles(request: JsonRequest) -> Response:
    """Give the profiles of several users.

    Source: POST /userProfile
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(
            {"list": users.list_profiles(tx.session, tx.caller, request.json_object())}
        )


@router.put("/userProfile")
def put_profile(request: JsonRequest) -> Response:
    """Replace a profile.

    Source: PUT /userProfile
    """
    with request.write_transaction("view", "modify") as tx:
        return ApiResponse(users.update_profile(tx.session, tx.caller, request.json_object()))


@router.get("/user/bundle")
def get_own_bundle(request: JsonRequest, mask: int) -> Response:
    """Give several parts about the caller.

    Source: GET /user/bundle
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(users.get_bundle(tx.session, tx.caller, tx.caller.id, mask))


@router.get("/user/{user_id}/bundle")
def get_bundle(request: JsonRequest, user_id: str, mask: int) -> Response:
    """Give several parts about a user.

    Source: GET /user/{id}/bundle
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(users.get_bundle(tx.session, tx.caller, parse_id(user_id, "id"), mask))


@router.get("/user/{user_id}/certifiedUserPassingRecord")
def get_passing_record(request: JsonRequest, user_id: str) -> Response:
    """Give the result of a user's certification quiz.

    Source: GET /user/{id}/certifiedUserPassingRecord
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(users.get_passing_record(tx.session, parse_id(user_id, "id")))


@router.get("/user/{user_id}/team")
def list_teams(request: JsonRequest, user_id: str, limit: int = 10, offset: int = 0) -> Response:
    """List the teams of a user.

    Source: GET /user/{id}/team
    """
    asked = paging.parse_page(limit, offset)
    with request.read_transaction("view") as tx:
        found = users.list_teams(tx.session, parse_id(user_id, "id"), asked)
    return ApiResponse(paging.build_results(found, asked))


@router.get("/userGroupHeaders")
def list_principals_by_prefix(
    request: JsonRequest,
    prefix: str = "",
    typeFilter: str = "ALL",  # noqa: N803
    limit: int = 10,
    offset: int = 0,
) -> Response:
    """List principals by the beginning of a name.

    Source: GET /userGroupHeaders
    """
    asked = paging.parse_page(limit, offset)
    kinds = request_fields.parse_enum(users.TypeFilter, typeFilter, "typeFilter")
    with request.read_transaction("view") as tx:
        found = users.list_by_prefix(tx.session, prefix, kinds, asked)
    return ApiResponse(
        {"prefixFilter": prefix, **paging.build_results(found, asked, key="children")}
    )


@router.get("/userGroupHeaders/batch")
def get_principals(request: JsonRequest, ids: str) -> Response:
    """Give principals by their ids.

    Source: GET /userGroupHeaders/batch
    """
    with request.read_transaction("view") as tx:
        found = users.list_by_ids(tx.session, ids)
    return ApiResponse(paging.build_complete_results(found, key="children"))


@router.post("/userGroupHeaders/aliases")
def get_principals_by_alias(request: JsonRequest) -> Response:
    """Give principals by their whole names.

    Source: POST /userGroupHeaders/aliases
    """
    with request.read_transaction("view") as tx:
        return ApiResponse({"list": users.list_by_aliases(tx.session, request.json_object())})
