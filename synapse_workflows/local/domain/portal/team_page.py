"""Content of the page of a team."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.portal.entity_page import PAGE_SIZE, ListPage, get_user_name
from synapse_workflows.local.domain.teams import membership, teams
from synapse_workflows.local.domain.teams.membership import MemberType


@dataclass(frozen=True)
class TeamPage:
    """Content of the page of a team.

    Args:
        team: The team in the format of the REST API.
        created_by: Name of the user who created the team.
        members: TeamMembers, sorted by name.
        count: Number of members.
    """

    team: dict[str, Any]
    created_by: str
    members: ListPage
    count: int


def read_team_page(session: Session, team_id: int, offset: int) -> TeamPage:
    """Read the content of the page of a team. As in the REST API, the caller needs no right.

    Args:
        session: Database session.
        team_id: ID of the team.
        offset: Number of members to skip.

    Raises:
        NotFound: No such team.
    """
    team = teams.get(session, team_id)
    page = Page(PAGE_SIZE + 1, offset)
    found = membership.list_members(session, team_id, "", MemberType.ALL, page)
    return TeamPage(
        team=team,
        created_by=get_user_name(session, parse_id(team["createdBy"], "createdBy")),
        members=ListPage(found[:PAGE_SIZE], offset, len(found) > PAGE_SIZE),
        count=membership.count_members(session, team_id, ""),
    )
