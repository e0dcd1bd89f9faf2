"""Requests for teams, on top of `entity_api`."""

from typing import Any

import requests

from support.entity_api import REPO, Author, unique_name
from support.file_api import ok

TEAM = f"{REPO}/team"
INVITATION = f"{REPO}/membershipInvitation"
REQUEST = f"{REPO}/membershipRequest"


def create_team(user: Author, **more: Any) -> dict[str, Any]:
    """Create a team with a unique name and return it."""
    return ok(user.post(TEAM, {"name": unique_name("team"), **more}))


def add_member(admin: Author, team_id: str, user: Author) -> None:
    """Invite a user to a team and let the user join."""
    ok(admin.post(INVITATION, {"teamId": team_id, "inviteeId": str(user.id)}))
    joined = join(user, team_id)
    assert joined.status_code == 204, joined.text


def join(user: Author, team_id: str) -> requests.Response:
    return user.put(f"{TEAM}/{team_id}/member/{user.id}")


def leave(user: Author, team_id: str) -> requests.Response:
    return user.delete(f"{TEAM}/{team_id}/member/{user.id}")


def get_status(user: Author, team_id: str, member: Author) -> dict[str, Any]:
    """Return the membership status of a user."""
    return ok(user.get(f"{TEAM}/{team_id}/member/{member.id}/membershipStatus"))


def list_members(user: Author, team_id: str, query: str = "") -> dict[str, bool]:
    """Return the user names of the members of a team and whether each is an administrator."""
    found = ok(user.get(f"{REPO}/teamMembers/{team_id}?limit=50{query}"))["results"]
    return {each["member"]["userName"]: each["isAdmin"] for each in found}
