"""Routes of teams and their ACLs (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain import paging
from synapse_workflows.local.domain.teams import team_acl, teams
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import PageParameters, TeamId, UserId
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    list_response,
    no_content_response,
)

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


@router.post("/team")
def create_team(request: JsonRequest) -> Response:
    """Create a team.

    Source: POST /team
    """
    with request.write_transaction("view", "modify") as tx:
        return created_response(teams.create(tx.session, tx.caller, request.json_object()))


@router.put("/team")
def update_team(request: JsonRequest) -> Response:
    """Update a team. The body contains the ID of the team.

    Source: PUT /team
    """
    with request.write_transaction("view", "modify") as tx:
        return ApiResponse(teams.update(tx.session, tx.caller, request.json_object()))


@router.put("/team/acl")
def update_acl(request: JsonRequest) -> Response:
    """Replace the ACL of a team. The body contains the ID of the team.

    Source: PUT /team/acl
    """
    with request.write_transaction("view", "modify") as tx:
        return ApiResponse(team_acl.update(tx.session, tx.caller, request.json_object()))


@router.get("/team/{team_id}")
def get_team(request: JsonRequest, team_id: TeamId) -> Response:
    """Return a team.

    Source: GET /team/{id}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(teams.get(tx.session, team_id))


@router.delete("/team/{team_id}")
def delete_team(request: JsonRequest, team_id: TeamId) -> Response:
    """Delete a team.

    Source: DELETE /team/{id}
    """
    with request.write_transaction("modify") as tx:
        teams.delete(tx.session, tx.caller, team_id)
    return no_content_response()


@router.get("/team/{team_id}/acl")
def get_acl(request: JsonRequest, team_id: TeamId) -> Response:
    """Return the ACL of a team.

    Source: GET /team/{id}/acl
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(team_acl.get(tx.session, tx.caller, team_id))


@router.get("/teams")
def list_teams(request: JsonRequest, page: PageParameters, fragment: str = "") -> Response:
    """List the teams whose name starts with a fragment.

    Source: GET /teams
    """
    with request.read_transaction("view") as tx:
        found = teams.list_by_fragment(tx.session, fragment, page)
    return ApiResponse(paging.build_results(found, page))


@router.post("/teamList")
def list_teams_by_id(request: JsonRequest) -> Response:
    """List teams by ID.

    Source: POST /teamList
    """
    with request.read_transaction("view") as tx:
        return list_response("Team", teams.list_by_ids(tx.session, request.json_object()))


@router.get("/user/{user_id}/team")
def list_teams_of_user(request: JsonRequest, user_id: UserId, page: PageParameters) -> Response:
    """List the teams of a user.

    Source: GET /user/{id}/team
    """
    with request.read_transaction("view") as tx:
        found = teams.list_of_user(tx.session, user_id, page)
    return ApiResponse(paging.build_results(found, page))
