"""Aliases of projects: short names that lead to them."""

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
    """Give the project with the alias, if there is one."""
    return session.scalar(
        select(Entity.id)
        .join(EntityVersion, EntityVersion.entity_id == Entity.id)
        .where(
            Entity.concrete_type == PROJECT,
            EntityVersion.properties["alias"].as_string() == alias,
        )
    )


def get_project(session: Session, alias: str) -> int:
    """Give the project with the alias.

    Raises:
        NotFound: there is none.
    """
    found = find_project(session, alias)
    if found is None:
        raise NotFound(f"Did not find an entity with the alias: {alias}")
    return found


def check_alias(session: Session, draft: EntityRequest, entity_id: int) -> None:
    """Check the alias that a draft asks for.

    Raises:
        BadRequest: it is not a word of letters, digits, underscores and hyphens.
        Conflict: another project has it.
    """
    alias = draft.properties.get("alias")
    if alias is None:
        return
    if _ALIAS.fullmatch(alias) is None:
        raise BadRequest(
            f"Invalid alias: '{alias}'. It starts with a letter and may hold letters, digits, "
            "underscores and hyphens."
        )
    if find_project(session, alias) not in {None, entity_id}:
        raise Conflict(
            f"The alias {alias} of {format_entity_id(entity_id)} is taken by another project."
        )
