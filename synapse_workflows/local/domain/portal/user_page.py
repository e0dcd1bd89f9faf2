"""Content of the page of a user."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.local.domain import users
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.portal.entity_page import PAGE_SIZE, ListPage
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.teams import teams

#: Fields of the profile that the page shows. All are public: e-mail addresses are not among them.
_FIELDS: Final = ("position", "company", "industry", "location", "summary")


@dataclass(frozen=True)
class UserPage:
    """Content of the page of a user.

    Args:
        id: ID of the user.
        user_name: User name.
        full_name: First and last name; empty if the profile has neither.
        created_on: Date of the registration.
        url: Web address of the user; empty if there is none.
        fields: Further public fields of the profile that are not empty, in their order.
        teams: Teams of the user in the format of the REST API.
    """

    id: str
    user_name: str
    full_name: str
    created_on: str
    url: str
    fields: dict[str, str]
    teams: ListPage


def read_user_page(session: Session, caller: Caller, user_id: int, offset: int) -> UserPage:
    """Read the content of the page of a user. As in the REST API, the caller needs no right.

    Args:
        session: Database session.
        caller: User of the request.
        user_id: ID of the user.
        offset: Number of teams to skip.

    Raises:
        NotFound: No such user.
    """
    profile: dict[str, Any] = users.get_profile(session, caller, user_id)
    found = teams.list_of_user(session, user_id, Page(PAGE_SIZE + 1, offset))
    names = (profile.get("firstName"), profile.get("lastName"))
    return UserPage(
        id=profile["ownerId"],
        user_name=profile["userName"],
        full_name=" ".join(filter(None, names)),
        created_on=profile["createdOn"],
        url=profile.get("url") or "",
        fields={name: profile[name] for name in _FIELDS if profile.get(name)},
        teams=ListPage(found[:PAGE_SIZE], offset, len(found) > PAGE_SIZE),
    )
