"""Routes of users and principals (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import paging, request_fields, user_headers, users
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import PageParameters
from synapse_workflows.local.routers.responses import ApiResponse, list_response

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


@router.get("/userProfile")
@router.get("/userProfile/")
def get_own_profile(request: JsonRequest) -> Response:
    """Return the profile of the caller. Clients use the path with and without a final slash.

    Source: GET /userProfile
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(users.get_profile(tx.session, tx.caller, tx.caller.id))


@router.get("/userProfile/{user_id}")
def get_profile(request: JsonRequest, user_id: str) -> Response:
    """Return the profile of a user.

    Source: GET /userProfile/{id}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(users.get_profile(tx.session, tx.caller, parse_id(user_id, "id")))


@router.post("/userProfile")
def list_profiles(request: JsonRequest) -> Response:
    """List the profiles of several users.

    Source: POST /userProfile
    """
    with request.read_transaction("view") as tx:
        found = users.list_profiles(tx.session, tx.caller, request.json_object())
        return list_response("UserProfile", found)


@router.put("/userProfile")
def update_profile(request: JsonRequest) -> Response:
    """Update a profile.

    Source: PUT /userProfile
    """
    with request.write_transaction("view", "modify") as tx:
        return ApiResponse(users.update_profile(tx.session, tx.caller, request.json_object()))


@router.get("/user/bundle")
def get_own_bundle(request: JsonRequest, mask: int) -> Response:
    """Return the requested parts of the caller's user bundle.

    Source: GET /user/bundle
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(users.get_bundle(tx.session, tx.caller, tx.caller.id, mask))


@router.get("/user/{user_id}/bundle")
def get_bundle(request: JsonRequest, user_id: str, mask: int) -> Response:
    """Return the requested parts of a user bundle.

    Source: GET /user/{id}/bundle
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(users.get_bundle(tx.session, tx.caller, parse_id(user_id, "id"), mask))


@router.get("/user/{user_id}/certifiedUserPassingRecord")
def get_passing_record(request: JsonRequest, user_id: str) -> Response:
    """Return the result of the certification quiz of a user.

    Source: GET /user/{id}/certifiedUserPassingRecord
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(users.get_passing_record(tx.session, parse_id(user_id, "id")))


@router.get("/userGroupHeaders")
def list_principals_by_prefix(
    request: JsonRequest,
    page: PageParameters,
    prefix: str = "",
    typeFilter: str = "ALL",  # noqa: N803
) -> Response:
    """List the users and teams whose name starts with a prefix.

    Source: GET /userGroupHeaders
    """
    kinds = request_fields.parse_enum(user_headers.TypeFilter, typeFilter, "typeFilter")
    with request.read_transaction("view") as tx:
        found = user_headers.list_by_prefix(tx.session, prefix, kinds, page)
    return ApiResponse(
        {"prefixFilter": prefix, **paging.build_results(found, page, key="children")}
    )


@router.get("/userGroupHeaders/batch")
def list_principals(request: JsonRequest, ids: str) -> Response:
    """List users and teams by ID.

    Source: GET /userGroupHeaders/batch
    """
    with request.read_transaction("view") as tx:
        found = user_headers.list_by_ids(tx.session, ids)
    return ApiResponse(paging.build_complete_results(found, key="children"))


@router.post("/userGroupHeaders/aliases")
def list_principals_by_alias(request: JsonRequest) -> Response:
    """List users and teams by name.

    Source: POST /userGroupHeaders/aliases
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(
            {"list": user_headers.list_by_aliases(tx.session, request.json_object())}
        )
