"""Routes of the members of teams, of invitations and of membership requests (repo/v1)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from synapse_workflows.local.domain import paging, request_fields
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.domain.teams import invitations, membership, membership_requests
from synapse_workflows.local.domain.teams.membership import MemberType
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import PageParameters, TeamId, UserId
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    no_content_response,
)

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


def _parse_optional_id(text: str | None, name: str) -> int | None:
    return parse_id(text, name) if text else None


@router.get("/teamMembers/{team_id}")
def list_members(
    request: JsonRequest,
    team_id: TeamId,
    page: PageParameters,
    member_type: Annotated[str, Query(alias="memberType")] = MemberType.ALL.value,
    fragment: str = "",
) -> Response:
    """List the members of a team.

    Source: GET /teamMembers/{id}
    """
    required = request_fields.parse_enum(MemberType, member_type, "memberType")
    with request.read_transaction("view") as tx:
        found = membership.list_members(tx.session, team_id, fragment, required, page)
    return ApiResponse(paging.build_results(found, page))


@router.get("/teamMembers/count/{team_id}")
def count_members(request: JsonRequest, team_id: TeamId, fragment: str = "") -> Response:
    """Count the members of a team.

    Source: GET /teamMembers/count/{id}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse({"count": membership.count_members(tx.session, team_id, fragment)})


@router.get("/team/{team_id}/member/{user_id}")
def get_member(request: JsonRequest, team_id: TeamId, user_id: UserId) -> Response:
    """Return a member of a team.

    Source: GET /team/{id}/member/{principalId}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(membership.get_member(tx.session, team_id, user_id))


@router.put("/team/{team_id}/member/{user_id}")
def add_member(request: JsonRequest, team_id: TeamId, user_id: UserId) -> Response:
    """Add a user to a team.

    Source: PUT /team/{id}/member/{principalId}
    """
    with request.write_transaction("modify") as tx:
        membership.add(tx.session, tx.caller, team_id, user_id)
    return no_content_response()


@router.delete("/team/{team_id}/member/{user_id}")
def remove_member(request: JsonRequest, team_id: TeamId, user_id: UserId) -> Response:
    """Remove a user from a team.

    Source: DELETE /team/{id}/member/{principalId}
    """
    with request.write_transaction("modify") as tx:
        membership.remove(tx.session, tx.caller, team_id, user_id)
    return no_content_response()


@router.put("/team/{team_id}/member/{user_id}/permission")
def set_admin(
    request: JsonRequest,
    team_id: TeamId,
    user_id: UserId,
    is_admin: Annotated[bool, Query(alias="isAdmin")],
) -> Response:
    """Make a member of a team an administrator or an ordinary member.

    Source: PUT /team/{id}/member/{principalId}/permission
    """
    with request.write_transaction("modify") as tx:
        membership.set_admin(tx.session, tx.caller, team_id, user_id, is_admin=is_admin)
    return no_content_response()


@router.get("/team/{team_id}/member/{user_id}/membershipStatus")
def get_status(request: JsonRequest, team_id: TeamId, user_id: UserId) -> Response:
    """Return the status of a user in a team.

    Source: GET /team/{id}/member/{principalId}/membershipStatus
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(membership.get_status(tx.session, tx.caller, team_id, user_id))


@router.get("/team/{team_id}/openInvitation")
def list_invitations_of_team(
    request: JsonRequest,
    team_id: TeamId,
    page: PageParameters,
    invitee: Annotated[str | None, Query(alias="inviteeId")] = None,
) -> Response:
    """List the open invitations to a team.

    Source: GET /team/{id}/openInvitation
    """
    user_id = _parse_optional_id(invitee, "inviteeId")
    with request.read_transaction("view") as tx:
        found = invitations.list_of_team(tx.session, tx.caller, team_id, user_id, page)
    return ApiResponse(paging.build_results(found, page))


@router.get("/user/{user_id}/openInvitation")
def list_invitations_of_user(
    request: JsonRequest,
    user_id: UserId,
    page: PageParameters,
    team: Annotated[str | None, Query(alias="teamId")] = None,
) -> Response:
    """List the open invitations of a user.

    Source: GET /user/{id}/openInvitation
    """
    team_id = _parse_optional_id(team, "teamId")
    with request.read_transaction("view") as tx:
        found = invitations.list_of_user(tx.session, tx.caller, user_id, team_id, page)
    return ApiResponse(paging.build_results(found, page))


@router.post("/membershipInvitation")
def create_invitation(request: JsonRequest) -> Response:
    """Invite a user or an e-mail address to a team.

    Source: POST /membershipInvitation
    """
    with request.write_transaction("view", "modify") as tx:
        return created_response(invitations.create(tx.session, tx.caller, request.json_object()))


@router.get("/membershipInvitation/{invitation_id}")
def get_invitation(request: JsonRequest, invitation_id: str) -> Response:
    """Return an invitation.

    Source: GET /membershipInvitation/{id}
    """
    number = parse_id(invitation_id, "id")
    with request.read_transaction("view") as tx:
        return ApiResponse(invitations.get(tx.session, tx.caller, number))


@router.delete("/membershipInvitation/{invitation_id}")
def delete_invitation(request: JsonRequest, invitation_id: str) -> Response:
    """Delete an invitation.

    Source: DELETE /membershipInvitation/{id}
    """
    number = parse_id(invitation_id, "id")
    with request.write_transaction("modify") as tx:
        invitations.delete(tx.session, tx.caller, number)
    return no_content_response()


@router.post("/membershipRequest")
def create_request(request: JsonRequest) -> Response:
    """Request the membership in a team.

    Source: POST /membershipRequest
    """
    with request.write_transaction("view", "modify") as tx:
        return created_response(
            membership_requests.create(tx.session, tx.caller, request.json_object())
        )
