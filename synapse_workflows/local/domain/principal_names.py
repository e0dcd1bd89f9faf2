"""Names of users and teams. A name is unique among both, ignoring case and punctuation."""

import re
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain.request_fields import utf16_length
from synapse_workflows.local.errors import BadRequest, Conflict
from synapse_workflows.local.storage.models import Principal, Profile

MAX_NAME_LENGTH: Final = 256


def normalize_name(name: str) -> str:
    """Convert a name to lowercase without punctuation. Normalized names must be unique."""
    return re.sub(r"[\W_]", "", name).lower()


def check_available(session: Session, name: str, principal_id: int | None = None) -> None:
    """Check that a name is valid and that no other principal has it.

    Args:
        session: Database session.
        name: Name of a user or a team.
        principal_id: The principal that may have the name already; None for a new principal.

    Raises:
        BadRequest: The name is too long, has a control character, or has neither a letter nor a
            digit.
        Conflict: Another user or team has the name.
    """
    if (length := utf16_length(name)) > MAX_NAME_LENGTH:
        raise BadRequest(f"name must be {MAX_NAME_LENGTH} characters or less; it has {length}.")
    alias = normalize_name(name)
    if not (alias and name.isprintable()):
        raise BadRequest(
            f"Invalid name {name!r}: it must contain a letter or a digit, and no control "
            "characters."
        )
    owner = session.scalar(select(Principal.id).where(Principal.alias == alias))
    if owner not in {None, principal_id}:
        raise Conflict(f"The name {name} is already taken by another user or team.")


def find_user(session: Session, name: str) -> Principal | None:
    """Return the user with a user name or an e-mail address; None if there is no such user."""
    address = name.strip().lower()
    user = session.scalar(
        select(Principal)
        .join(Profile, Profile.owner_id == Principal.id)
        .where(func.unicode_lower(Profile.email) == address, Principal.is_individual)
    )
    if user is None and "@" not in address:
        alias = normalize_name(address)
        user = session.scalar(
            select(Principal).where(Principal.alias == alias, Principal.is_individual)
        )
    return user


def starts_with(prefix: str) -> ColumnElement[bool]:
    """Return the SQL condition that a name of a principal starts with a prefix, ignoring case.

    The names are the user or team name, the first name and the last name. The query must select
    from Principal with an outer join to Profile.
    """
    columns = (
        Principal.name,
        Profile.properties["firstName"].as_string(),
        Profile.properties["lastName"].as_string(),
    )
    text = prefix.strip().lower()
    return or_(
        *(func.unicode_lower(column).startswith(text, autoescape=True) for column in columns)
    )
