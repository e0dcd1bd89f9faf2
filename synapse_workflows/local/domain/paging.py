"""Paging of lists by limit and offset, or by page token."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synapse_workflows.local.errors import BadRequest

TOKEN_PAGE_SIZE = 50
_MAX_INTEGER = 2**31 - 1
_TOKEN = re.compile(r"([0-9]{1,9})a([0-9]{1,15})")


@dataclass(frozen=True)
class Page:
    """Limit and offset of the requested page."""

    limit: int
    offset: int


def parse_page(limit: int, offset: int, *, minimum: int = 0, maximum: int = _MAX_INTEGER) -> Page:
    """Validate a limit and an offset.

    Raises:
        BadRequest: The limit is out of range, or the offset is negative.
    """
    if not minimum <= limit <= maximum:
        raise BadRequest(f"limit must be between {minimum} and {maximum}")
    if not 0 <= offset <= _MAX_INTEGER:
        raise BadRequest("offset must be 0 or more")
    return Page(limit, offset)


def parse_token(token: str | None) -> Page:
    """Parse a page token; None is the first page.

    Raises:
        BadRequest: The token is invalid.
    """
    if token is None:
        return Page(TOKEN_PAGE_SIZE, 0)
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise BadRequest(f"The provided token is not valid: {token}")
    return parse_page(int(match[1]), int(match[2]), minimum=1, maximum=TOKEN_PAGE_SIZE)


def build_next_token(page: Page, found: int) -> str | None:
    """Return the token of the next page; None for the last page.

    Args:
        page: The current page.
        found: Number of rows found from the offset on, up to `page.limit + 1`.
    """
    return f"{page.limit}a{page.offset + page.limit}" if found > page.limit else None


def build_results(results: Sequence[Any], page: Page, *, key: str = "results") -> dict[str, Any]:
    """Return PaginatedResults with an estimated total.

    If the page is full, the total includes one more result.
    """
    size = len(results)
    total = page.offset + size + (1 if size and size == page.limit else 0)
    return {"totalNumberOfResults": total, key: list(results)}


def build_complete_results(results: Sequence[Any], *, key: str = "results") -> dict[str, Any]:
    """Return PaginatedResults that contain all results."""
    return {"totalNumberOfResults": len(results), key: list(results)}
