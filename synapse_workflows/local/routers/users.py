"""Routes of users and principals (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import paging, request_fields, users
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.routers.dependencies import Call
from synapse_workflows.local.routers.responses import Answer

router = APIRouter(prefix="/repo/v1")


@router.get("/userProfile")
@router.get("/userProfile/")
def get_own_profile(call: Call) -> Response:
    """Give the caller's own profile. Clients ask with and without the slash at the end.

    Source: GET /userProfile
    """
    with call.reading("view") as work:
        return Answer(users.get_profile(work.session, work.caller, work.caller.id))


@router.get("/userProfile/{user_id}")
def get_profile(call: Call, user_id: str) -> Response:
    """Give the profile of a user.

    Source: GET /userProfile/{id}
    """
    with call.reading("view") as work:
        return Answer(users.get_profile(work.session, work.caller, parse_id(user_id, "id")))


@router.post("/userProfile")
def get_profiles(call: Call) -> Response:
    """Give the profiles of several users.

    Source: POST /userProfile
    """
    with call.reading("view") as work:
        return Answer({"list": users.list_profiles(work.session, work.caller, call.json_object())})


@router.put("/userProfile")
def put_profile(call: Call) -> Response:
    """Replace a profile.

    Source: PUT /userProfile
    """
    with call.writing("view", "modify") as work:
        return Answer(users.update_profile(work.session, work.caller, call.json_object()))


@router.get("/user/bundle")
def get_own_bundle(call: Call, mask: int) -> Response:
    """Give several parts about the caller.

    Source: GET /user/bundle
    """
    with call.reading("view") as work:
        return Answer(users.get_bundle(work.session, work.caller, work.caller.id, mask))


@router.get("/user/{user_id}/bundle")
def get_bundle(call: Call, user_id: str, mask: int) -> Response:
    """Give several parts about a user.

    Source: GET /user/{id}/bundle
    """
    with call.reading("view") as work:
        return Answer(users.get_bundle(work.session, work.caller, parse_id(user_id, "id"), mask))


@router.get("/user/{user_id}/certifiedUserPassingRecord")
def get_passing_record(call: Call, user_id: str) -> Response:
    """Give the result of a user's certification quiz.

    Source: GET /user/{id}/certifiedUserPassingRecord
    """
    with call.reading("view") as work:
        return Answer(users.get_passing_record(work.session, parse_id(user_id, "id")))


@router.get("/user/{user_id}/team")
def list_teams(call: Call, user_id: str, limit: int = 10, offset: int = 0) -> Response:
    """List the teams of a user.

    Source: GET /user/{id}/team
    """
    asked = paging.parse_page(limit, offset)
    with call.reading("view") as work:
        found = users.list_teams(work.session, parse_id(user_id, "id"), asked)
    return Answer(paging.build_results(found, asked))


@router.get("/userGroupHeaders")
def find_principals(
    call: Call,
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
    with call.reading("view") as work:
        found = users.list_by_prefix(work.session, prefix, kinds, asked)
    return Answer({"prefixFilter": prefix, **paging.build_results(found, asked, key="children")})


@router.get("/userGroupHeaders/batch")
def get_principals(call: Call, ids: str) -> Response:
    """Give principals by their ids.

    Source: GET /userGroupHeaders/batch
    """
    with call.reading("view") as work:
        found = users.list_by_ids(work.session, ids)
    return Answer(paging.build_complete_results(found, key="children"))


@router.post("/userGroupHeaders/aliases")
def get_principals_by_alias(call: Call) -> Response:
    """Give principals by their whole names.

    Source: POST /userGroupHeaders/aliases
    """
    with call.reading("view") as work:
        return Answer({"list": users.list_by_aliases(work.session, call.json_object())})
