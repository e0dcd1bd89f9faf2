"""Parsing, formatting and generation of IDs, and generation of etags."""

import re
import uuid
from functools import cache

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from synapse_workflows.constants import DEFAULT_STORAGE_LOCATION, ROOT_ENTITY, TRASH_ENTITY
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.database import fetch_rows
from synapse_workflows.local.storage.models import Counter, Principal

_ENTITY = re.compile(r"\s*(?:syn)?([0-9]{1,18})\s*", re.IGNORECASE)
_DECIMAL = re.compile(r"\s*([0-9]{1,18})\s*")

ROOT = int(ROOT_ENTITY.removeprefix("syn"))
TRASH = int(TRASH_ENTITY.removeprefix("syn"))

#: Type of object -> number before the first generated ID. Types without an entry start after 0.
_LAST_RESERVED_IDS = {
    "entity": 10_000_000,
    "principal": 3_300_000,
    "file_handle": 60_000_000,
    "evaluation": 9_600_000,
    "submission": 9_700_000,
    "storage_location": DEFAULT_STORAGE_LOCATION,
}


def next_id(session: Session, kind: str) -> int:
    """Return a new ID for a type of object. Needs a session with write access."""
    first = _LAST_RESERVED_IDS.get(kind, 0) + 1
    [(number,)] = fetch_rows(session, _increment(), kind=kind, last=first)
    return number


@cache
def _increment() -> ReturningInsert[int]:
    """Build the statement that increments a counter, or creates it with the first ID."""
    statement = insert(Counter).values(kind=bindparam("kind"), last=bindparam("last"))
    return statement.on_conflict_do_update(set_={"last": Counter.last + 1}).returning(Counter.last)


def next_principal_id(session: Session) -> int:
    """Return a new ID for a user or a team. IDs that the settings of users name are skipped."""
    number = next_id(session, "principal")
    while session.get(Principal, number) is not None:
        number = next_id(session, "principal")
    return number


def get_last_id(session: Session, kind: str) -> int:
    """Return the last ID that was generated for a type of object."""
    last = session.scalar(select(Counter.last).where(Counter.kind == kind))
    return _LAST_RESERVED_IDS.get(kind, 0) if last is None else last


def generate_etag() -> str:
    """Return a new unique etag."""
    return str(uuid.uuid4())


def parse_entity_id(text: object) -> int:
    """Parse an entity ID: `syn123`, `SYN123`, `123` or the number 123; ignore surrounding blanks.

    Raises:
        BadRequest: The value is not an entity ID. IDs with a version are invalid.
    """
    match = _ENTITY.fullmatch(str(text)) if isinstance(text, str | int) else None
    if match is None or isinstance(text, bool):
        raise BadRequest(f"{text} is not a valid Synapse ID.")
    return int(match[1])


def parse_entity_version(text: object) -> tuple[int, int | None]:
    """Parse an entity ID with an optional version: `syn123` or `syn123.4`.

    Raises:
        BadRequest: The value is not an entity ID with an optional version.
    """
    head, dot, tail = str(text).strip().partition(".")
    if not dot:
        return parse_entity_id(text), None
    if not tail.isdecimal() or len(tail) > 9 or int(tail) < 1:  # noqa: PLR2004  (32 bits)
        raise BadRequest(f"{text} is not a valid Synapse ID.")
    return parse_entity_id(head), int(tail)


def format_entity_id(number: int) -> str:
    """Return an entity ID with its prefix, for example `syn123`."""
    return f"syn{number}"


def parse_id(text: object, name: str) -> int:
    """Parse a decimal ID, given as text or as a number.

    Args:
        text: Value to parse.
        name: Name of the field, for the error message.

    Raises:
        BadRequest: The value is not an ID.
    """
    match = _DECIMAL.fullmatch(str(text)) if isinstance(text, str | int) else None
    if match is None or isinstance(text, bool):
        raise BadRequest(f"{name}: '{text}' is not a valid id.")
    return int(match[1])


def parse_unprefixed_id(text: object, name: str) -> int:
    """Parse the ID of an evaluation or an activity; a leading `syn` is dropped.

    Args:
        text: Value to parse.
        name: Name of the field, for the error message.

    Raises:
        BadRequest: The value is not an ID.
    """
    match = _ENTITY.fullmatch(text) if isinstance(text, str) else None
    return parse_id(text if match is None else match[1], name)


def canonical_id(text: object) -> str:
    """Return the ID of an entity or of one of its versions in canonical form: `syn123.4`.

    Raises:
        BadRequest: The text is not a Synapse ID.
    """
    number, version = parse_entity_version(text)
    return format_entity_id(number) + ("" if version is None else f".{version}")
