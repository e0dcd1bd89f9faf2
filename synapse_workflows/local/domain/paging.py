"""How long lists are given out: by limit and offset, or by an opaque token."""

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
    """Which part of a list is asked for."""

    limit: int
    offset: int


def parse_page(limit: int, offset: int, *, least: int = 0, most: int = _MAX_INTEGER) -> Page:
    """Check a limit and an offset.

    Raises:
        BadRequest: the limit is not within `least` and `most`, or the offset is negative.
    """
    if not least <= limit <= most:
        raise BadRequest(f"limit must be between {least} and {most}")
    if not 0 <= offset <= _MAX_INTEGER:
        raise BadRequest("offset must be 0 or more")
    return Page(limit, offset)


def parse_token(token: str | None) -> Page:
    """Read a page token; None is the first page.

    Raises:
        BadRequest: the token is not one of ours.
    """
    if token is None:
        return Page(TOKEN_PAGE_SIZE, 0)
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise BadRequest(f"The provided token is not valid: {token}")
    return parse_page(int(match[1]), int(match[2]), least=1, most=TOKEN_PAGE_SIZE)


def build_next_token(asked: Page, found: int) -> str | None:
    """Give the token of the page that follows.

    Args:
        asked: the page that was asked for.
        found: how many there are from its offset on, counted up to one more than its limit.
    """
    return f"{asked.limit}a{asked.offset + asked.limit}" if found > asked.limit else None


def build_results(results: Sequence[Any], asked: Page, *, key: str = "results") -> dict[str, Any]:
    """Make a PaginatedResults whose total is an estimate: a full page promises one more."""
    size = len(results)
    total = asked.offset + size + (1 if size and size == asked.limit else 0)
    return {"totalNumberOfResults": total, key: list(results)}


def build_complete_results(results: Sequence[Any], *, key: str = "results") -> dict[str, Any]:
    """Make a PaginatedResults that holds everything."""
    return {"totalNumberOfResults": len(results), key: list(results)}
