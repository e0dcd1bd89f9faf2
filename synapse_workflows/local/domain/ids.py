"""Ids: how they read on the wire, and who gives out the next one."""

import re

from sqlalchemy.orm import Session

from synapse_workflows.constants import ROOT_ENTITY, TRASH_ENTITY
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.models import Counter

_ENTITY = re.compile(r"\s*(?:syn)?([0-9]{1,18})\s*", re.IGNORECASE)
_DECIMAL = re.compile(r"\s*([0-9]{1,18})\s*")

ROOT = int(ROOT_ENTITY.removeprefix("syn"))
TRASH = int(TRASH_ENTITY.removeprefix("syn"))

#: The last id that is taken before the first one is given out, by kind; others start at 0.
_LAST_RESERVED_IDS = {
    "entity": 10_000_000,
    "principal": 3_300_000,
    "file_handle": 60_000_000,
    "evaluation": 9_600_000,
    "submission": 9_700_000,
}


def next_id(session: Session, kind: str) -> int:
    """Give out the next id of a kind, never one twice. Needs a writing session."""
    counter = session.get(Counter, kind)
    if counter is None:
        counter = Counter(kind=kind, last=_LAST_RESERVED_IDS.get(kind, 0))
        session.add(counter)
    counter.last += 1
    return counter.last


def parse_entity_id(text: object) -> int:
    """Read an entity id: `syn123`, `SYN123`, `123`, with blanks around it or as a number.

    Raises:
        BadRequest: it is none, as `syn123.4` is none.
    """
    match = _ENTITY.fullmatch(str(text)) if isinstance(text, str | int) else None
    if match is None or isinstance(text, bool):
        raise BadRequest(f"{text} is not a valid Synapse ID.")
    return int(match[1])


def parse_entity_version(text: object) -> tuple[int, int | None]:
    """Read the id of an entity, or of one of its versions: `syn123.4`.

    Raises:
        BadRequest: it is none.
    """
    head, dot, tail = str(text).strip().partition(".")
    if not dot:
        return parse_entity_id(text), None
    if not tail.isdecimal() or len(tail) > 9 or int(tail) < 1:  # noqa: PLR2004  (32 bits)
        raise BadRequest(f"{text} is not a valid Synapse ID.")
    return parse_entity_id(head), int(tail)


def format_entity_id(number: int) -> str:
    """Write an entity id as clients compare it."""
    return f"syn{number}"


def parse_id(text: object, what: str) -> int:
    """Read a decimal id, given as text or as a number.

    Args:
        text: what the caller sent.
        what: names the field in the error.

    Raises:
        BadRequest: it is none.
    """
    match = _DECIMAL.fullmatch(str(text)) if isinstance(text, str | int) else None
    if match is None or isinstance(text, bool):
        raise BadRequest(f"{what}: '{text}' is not a valid id.")
    return int(match[1])


def canonical_id(text: object) -> str:
    """Return the ID of an entity or of one of its versions in canonical form: `syn123.4`.

    Raises:
        BadRequest: The text is not a Synapse ID.
    """
    number, version = parse_entity_version(text)
    return format_entity_id(number) + ("" if version is None else f".{version}")
