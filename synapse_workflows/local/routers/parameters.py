"""Path and query parameters that several routes share."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from synapse_workflows.local.domain import paging
from synapse_workflows.local.domain.ids import parse_entity_id, parse_id, parse_unprefixed_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.errors import BadRequest


async def get_path_version(request: Request) -> str | None:
    """Return the version number in the path; None if the path has no version."""
    number: str | None = request.path_params.get("number")
    return number


#: Optional `{number}` of the path, for routes with one path for the entity and one for versions.
PathVersion = Annotated[str | None, Depends(get_path_version)]
#: Path parameter that is a 64-bit integer.
PathNumber = Annotated[int, Path(ge=-(2**63), lt=2**63)]
GeneratedBy = Annotated[str | None, Query(alias="generatedBy")]


def parse_activity_id(text: str | None) -> int | None:
    """Parse the optional activity ID of a query string.

    Raises:
        BadRequest: The ID is invalid.
    """
    return None if not text else parse_unprefixed_id(text, "generatedBy")


def parse_version_number(text: str) -> int:
    """Parse the version number of a path.

    Raises:
        BadRequest: The number is invalid.
    """
    if not text.isdecimal() or len(text) > 9:  # noqa: PLR2004  (32 bits)
        raise BadRequest(f"'{text}' is not a valid version number.")
    return int(text)


def parse_entity_path(entity_id: str, number: str | None) -> tuple[int, int | None]:
    """Parse the entity ID and the optional version number of a path.

    Raises:
        BadRequest: The ID or the number is invalid.
    """
    return parse_entity_id(entity_id), None if number is None else parse_version_number(number)


async def parse_team_id(team_id: str) -> int:
    """Parse the team ID of a path.

    Raises:
        BadRequest: The ID is invalid.
    """
    return parse_id(team_id, "teamId")


async def parse_user_id(user_id: str) -> int:
    """Parse the user ID of a path.

    Raises:
        BadRequest: The ID is invalid.
    """
    return parse_id(user_id, "userId")


async def parse_page(limit: int = 10, offset: int = 0) -> Page:
    """Parse the limit and the offset of a query string.

    Raises:
        BadRequest: The limit or the offset is negative.
    """
    return paging.parse_page(limit, offset)


TeamId = Annotated[int, Depends(parse_team_id)]
UserId = Annotated[int, Depends(parse_user_id)]
PageParameters = Annotated[Page, Depends(parse_page)]
