"""Routes of the web portal: pages of users and teams.

The paths are those of the Synapse portal: `/Profile:3350001`, `/Profile:3350001/projects`,
`/Profile:v` for the page of the user of the session, and `/Team:3360001`.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.domain.portal import team_page, user_page
from synapse_workflows.local.errors import NotFound
from synapse_workflows.local.routers.dependencies import Transaction
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.portal_responses import render, respond

router = APIRouter(route_class=LazyRoute)

Offset = Annotated[int, Query(ge=0, lt=2**31)]
#: Name of the user of the session in an address.
_OWN: Final = "v"


@router.get("/Profile:{path:path}")
@router.get("//Profile:{path:path}")
def get_user(request: Request, path: str, teams: Offset = 0) -> Response:
    """Show a user without private data.

    Args:
        request: The request.
        path: ID of the user. The parts of the page on synapse.org, for example `/projects`, are
            sections of the one page here.
        teams: Number of teams to skip.
    """

    def read(tx: Transaction) -> Response:
        number = _parse_user_id(tx, path.partition("/")[0])
        content = user_page.read_user_page(tx.session, tx.caller, number, teams)
        return render(request, "user.html", page=content)

    return respond(request, read)


@router.get("/Team:{path:path}")
@router.get("//Team:{path:path}")
def get_team(request: Request, path: str, members: Offset = 0) -> Response:
    """Show a team and its members.

    Args:
        request: The request.
        path: ID of the team.
        members: Number of members to skip.
    """

    def read(tx: Transaction) -> Response:
        number = parse_id(path.partition("/")[0], "teamId")
        return render(
            request, "team.html", page=team_page.read_team_page(tx.session, number, members)
        )

    return respond(request, read)


def _parse_user_id(tx: Transaction, text: str) -> int:
    """Return the ID of the user of a page.

    Raises:
        BadRequest: The text is no ID.
        NotFound: The page of the user of the session is requested without a session.
    """
    if text != _OWN:
        return parse_id(text, "userId")
    if tx.caller.is_anonymous:
        raise NotFound("Anonymous visitors have no page.")
    return tx.caller.id
