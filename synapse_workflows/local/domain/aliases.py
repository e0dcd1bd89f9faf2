"""Aliases of projects."""

import re
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from synapse_workflows.constants import PROJECT
from synapse_workflows.local.domain.entity_types import EntityRequest
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.errors import BadRequest, Conflict, NotFound
from synapse_workflows.local.storage.models import Entity, EntityVersion

_ALIAS: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_\-]*")


def find_project(session: Session, alias: str) -> int | None:
    """Return the ID of the project with an alias; None if no project has the alias."""
    return session.scalar(
        select(Entity.id)
        .join(EntityVersion, EntityVersion.entity_id == Entity.id)
        .where(
            Entity.concrete_type == PROJECT,
            EntityVersion.properties["alias"].as_string() == alias,
        )
    )


def get_project(session: Session, alias: str) -> int:
    """Return the ID of the project with an alias.

    Raises:
        NotFound: No project has the alias.
    """
    project_id = find_project(session, alias)
    if project_id is None:
        raise NotFound(f"Did not find an entity with the alias: {alias}")
    return project_id


def check_alias(session: Session, request: EntityRequest, entity_id: int) -> None:
    """Check the alias of an entity request, if it has one.

    Raises:
        BadRequest: The alias has an invalid character.
        Conflict: Another project has the alias.
    """
    alias = request.properties.get("alias")
    if alias is None:
        return
    if _ALIAS.fullmatch(alias) is None:
        raise BadRequest(
            f"Invalid alias: '{alias}'. An alias starts with a letter and may only contain "
            "letters, digits, underscores, and hyphens."
        )
    if find_project(session, alias) not in {None, entity_id}:
        raise Conflict(
            f"The alias {alias} of {format_entity_id(entity_id)} is taken by another project."
        )
