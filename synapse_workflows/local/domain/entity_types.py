"""The classes of entities: what each may lie in, which fields it has, what a body must hold."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    CONTAINERS,
    DATASET,
    ENTITY_VIEW,
    FILE,
    FOLDER,
    LINK,
    PROJECT,
    SUBMISSION_VIEW,
    TABLE,
)
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.ids import ROOT, format_entity_id, parse_entity_id, parse_id
from synapse_workflows.local.domain.views import dataset_items, definitions
from synapse_workflows.local.errors import BadRequest

_NAME: Final = re.compile(r"[a-zA-Z0-9 _\-.,+'()]{1,256}")
MAX_DESCRIPTION: Final = 1000

#: Fields that every entity has.
ENTITY_FIELDS: Final = frozenset(
    {
        "name", "description", "id", "etag", "createdOn", "modifiedOn", "createdBy",
        "modifiedBy", "parentId", "concreteType",
    }
)  # fmt: skip
VERSION_FIELDS: Final = frozenset(
    {"versionNumber", "versionLabel", "versionComment", "isLatestVersion"}
)
_TABLE_FIELDS: Final = ENTITY_FIELDS | VERSION_FIELDS | {"columnIds", "isSearchEnabled"}


def parse_name(name: str) -> str:
    """Trim a name and check it.

    Raises:
        BadRequest: it is empty, longer than 256 characters, or holds other characters.
    """
    trimmed = name.strip()
    if _NAME.fullmatch(trimmed) is None:
        raise BadRequest(
            f"Invalid Name: '{trimmed}'. Names may only contain: letters, numbers, spaces, "
            "underscores, hyphens, periods, plus signs, apostrophes, and parentheses"
        )
    return trimmed


def parse_reference(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read a Reference: an entity id and perhaps a version, in canonical form.

    Raises:
        BadRequest: there is no targetId, or one of the fields is ill-typed.
    """
    target = format_entity_id(parse_entity_id(request_fields.get_required_text(body, "targetId")))
    version = request_fields.get_integer(body, "targetVersionNumber")
    return {"targetId": target, "targetVersionNumber": version}


def _parse_project(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"alias": request_fields.get_text(body, "alias")}


def _parse_no_properties(_body: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _parse_file(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"fileNameOverride": request_fields.get_text(body, "fileNameOverride")}


def _parse_link(body: Mapping[str, Any]) -> dict[str, Any]:
    target = request_fields.get_object(body, "linksTo")
    return {
        "linksTo": None if target is None else parse_reference(target),
        "linksToClassName": request_fields.get_text(body, "linksToClassName"),
    }


def _keep_properties(
    _session: Session, properties: dict[str, Any], _before: Mapping[str, Any]
) -> dict[str, Any]:
    return properties


@dataclass(frozen=True)
class EntityType:
    """One class of entities.

    Args:
        concrete_type: its full name.
        parents: classes of entities that it may lie in; none for what lies under the root.
        versionable: whether it has numbered versions.
        properties: reads the fields that only this class has.
        fields: names of all its fields.
        has_snapshots: whether its versions come from snapshots alone.
        complete: makes its properties of what a body says and of what they were, and checks
            what only the database can tell.
    """

    concrete_type: str
    parents: frozenset[str]
    versionable: bool
    properties: Callable[[Mapping[str, Any]], dict[str, Any]] = field(repr=False)
    fields: frozenset[str] = field(repr=False)
    has_snapshots: bool = False
    complete: Callable[[Session, dict[str, Any], Mapping[str, Any]], dict[str, Any]] = field(
        default=_keep_properties, repr=False
    )


def _build_table_type(
    concrete_type: str,
    properties: Callable[[Mapping[str, Any]], dict[str, Any]],
    *own_fields: str,
    complete: Callable[
        [Session, dict[str, Any], Mapping[str, Any]], dict[str, Any]
    ] = _keep_properties,
) -> EntityType:
    """Make a class of tables or views."""
    return EntityType(
        concrete_type,
        CONTAINERS,
        versionable=True,
        properties=properties,
        fields=_TABLE_FIELDS | set(own_fields),
        has_snapshots=True,
        complete=complete,
    )


CONCRETE_TYPES: Final[Mapping[str, EntityType]] = {
    kind.concrete_type: kind
    for kind in (
        EntityType(PROJECT, frozenset(), False, _parse_project, ENTITY_FIELDS | {"alias"}),
        EntityType(FOLDER, CONTAINERS, False, _parse_no_properties, ENTITY_FIELDS),
        EntityType(
            FILE,
            CONTAINERS,
            True,
            _parse_file,
            ENTITY_FIELDS | VERSION_FIELDS | {"dataFileHandleId", "fileNameOverride"},
        ),
        EntityType(
            LINK, CONTAINERS, False, _parse_link, ENTITY_FIELDS | {"linksTo", "linksToClassName"}
        ),
        _build_table_type(TABLE, definitions.parse_table),
        _build_table_type(
            ENTITY_VIEW,
            definitions.parse_entity_view,
            "viewTypeMask",
            "type",
            "scopeIds",
            complete=definitions.check_entity_view,
        ),
        _build_table_type(SUBMISSION_VIEW, definitions.parse_submission_view, "scopeIds"),
        _build_table_type(
            DATASET,
            definitions.parse_dataset,
            "items",
            "size",
            "checksum",
            "count",
            complete=dataset_items.check_items,
        ),
    )
}


def _parse_type(body: Mapping[str, Any]) -> EntityType:
    """Tell which class a body is of.

    Raises:
        BadRequest: it names none, or one that this service does not know.
    """
    name = request_fields.get_required_text(body, "concreteType")
    kind = CONCRETE_TYPES.get(name)
    if kind is None:
        known = ", ".join(CONCRETE_TYPES)
        raise BadRequest(
            f"Unknown concreteType: '{name}'. This service knows the entities {known}."
        )
    return kind


@dataclass(frozen=True)
class EntityRequest:
    """What a request says an entity should be; None where it says nothing.

    Args:
        kind: the class.
        name: trimmed and valid.
        description: at most 1000 characters.
        parent_id: the container; the root for a project that names none.
        label: version label.
        comment: version comment.
        file_handle_id: the data of a file; always there for files.
        properties: what only this class has, without nulls.
    """

    kind: EntityType
    name: str | None
    description: str | None
    parent_id: int | None
    label: str | None
    comment: str | None
    file_handle_id: int | None
    properties: Mapping[str, Any]


def parse_entity(body: Mapping[str, Any]) -> EntityRequest:
    """Read an entity from a request body.

    Raises:
        BadRequest: a field is missing, ill-typed or breaks a rule.
    """
    kind = _parse_type(body)
    name = request_fields.get_text(body, "name")
    parent = request_fields.get_text(body, "parentId")
    handle = (
        request_fields.get_required_text(body, "dataFileHandleId")
        if kind.concrete_type == FILE
        else None
    )
    return EntityRequest(
        kind=kind,
        name=None if name is None else parse_name(name),
        description=request_fields.get_text(body, "description", limit=MAX_DESCRIPTION),
        parent_id=_parse_parent_id(kind, parent),
        label=request_fields.get_text(body, "versionLabel") if kind.versionable else None,
        comment=request_fields.get_text(body, "versionComment") if kind.versionable else None,
        file_handle_id=None if handle is None else parse_id(handle, "dataFileHandleId"),
        properties={k: v for k, v in kind.properties(body).items() if v is not None},
    )


def _parse_parent_id(kind: EntityType, parent: str | None) -> int | None:
    if parent is None:
        return ROOT if kind.concrete_type == PROJECT else None
    return parse_entity_id(parent)


def complete_properties(
    session: Session, draft: EntityRequest, before: Mapping[str, Any]
) -> EntityRequest:
    """Complete the properties of a draft.

    Args:
        session: reads the tables.
        draft: what a request says.
        before: the properties as they were; empty for a new entity.

    Raises:
        BadRequest: they break a rule.
        NotFound: they name what is not there.
    """
    properties = draft.kind.complete(session, dict(draft.properties), before)
    return replace(draft, properties=properties)
