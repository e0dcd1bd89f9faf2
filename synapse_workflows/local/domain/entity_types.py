"""Entity types: allowed parents, fields, and validation of entities in requests."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    CONTAINERS,
    DATASET,
    DATASET_COLLECTION,
    DOCKER_REPOSITORY,
    ENTITY_VIEW,
    FILE,
    FOLDER,
    LINK,
    MATERIALIZED_VIEW,
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
#: Name of a Docker repository: `[host[:port]/]path`. The path is in lower case.
_REPOSITORY_NAME: Final = re.compile(
    r"(?:(?=localhost|[^/]*[.:])[a-zA-Z0-9][a-zA-Z0-9.-]*(?::[0-9]+)?/)?"
    r"[a-z0-9]+(?:(?:/|[._]|__|-+)[a-z0-9]+)*"
)
#: Registry whose repositories are created by pushes only.
_OWN_REGISTRY: Final = "docker.synapse.org"

#: Names of the fields of every entity.
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
    """Return the name of an entity without surrounding blanks.

    Raises:
        BadRequest: The name is empty, longer than 256 characters, or has an invalid character.
    """
    trimmed = name.strip()
    if _NAME.fullmatch(trimmed) is None:
        raise BadRequest(
            f"Invalid Name: '{trimmed}'. Names may only contain: letters, numbers, spaces, "
            "underscores, hyphens, periods, plus signs, apostrophes, and parentheses"
        )
    return trimmed


def parse_reference(body: Mapping[str, Any]) -> dict[str, Any]:
    """Parse a Reference and return it with a normalized entity ID.

    Raises:
        BadRequest: The targetId is missing, or a field has the wrong type.
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


def _parse_docker_repository(body: Mapping[str, Any]) -> dict[str, Any]:
    name = request_fields.get_required_text(body, "repositoryName")
    if _REPOSITORY_NAME.fullmatch(name) is None:
        raise BadRequest(f"Invalid repositoryName '{name}': expected [host[:port]/]path.")
    if name.partition("/")[0].lower() == _OWN_REGISTRY:
        raise BadRequest(
            f"Cannot create the repository '{name}': repositories of {_OWN_REGISTRY} are created "
            "by pushes. Use a repository of another registry."
        )
    return {"repositoryName": name, "isManaged": False}


def _check_repository_name(
    _session: Session, properties: dict[str, Any], previous: Mapping[str, Any]
) -> dict[str, Any]:
    """Check that the name of a Docker repository does not change."""
    before, after = previous.get("repositoryName"), properties["repositoryName"]
    if before not in {None, after}:
        raise BadRequest(f"The repositoryName cannot be changed from '{before}' to '{after}'.")
    return properties


def _keep_properties(
    _session: Session, properties: dict[str, Any], _previous: Mapping[str, Any]
) -> dict[str, Any]:
    return properties


@dataclass(frozen=True)
class EntityType:
    """A concrete type of entities.

    Args:
        concrete_type: Full name.
        parents: Concrete types of allowed parents; empty for children of the root folder.
        is_versionable: Whether entities have numbered versions.
        properties: Parses the fields that only this type has.
        fields: Names of all fields.
        has_snapshots: Whether only snapshots create versions.
        complete: Completes and validates the type's own properties, given the database session and
            the previous properties.
    """

    concrete_type: str
    parents: frozenset[str]
    is_versionable: bool
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
    """Build the entity type of tables or of one type of view."""
    return EntityType(
        concrete_type,
        CONTAINERS,
        is_versionable=True,
        properties=properties,
        fields=_TABLE_FIELDS | set(own_fields),
        has_snapshots=True,
        complete=complete,
    )


CONCRETE_TYPES: Final[Mapping[str, EntityType]] = {
    each.concrete_type: each
    for each in (
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
        EntityType(
            DOCKER_REPOSITORY,
            frozenset({PROJECT}),
            False,
            _parse_docker_repository,
            ENTITY_FIELDS | {"repositoryName", "isManaged"},
            complete=_check_repository_name,
        ),
        _build_table_type(TABLE, definitions.parse_table),
        _build_table_type(
            ENTITY_VIEW,
            definitions.parse_entity_view,
            "viewTypeMask",
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
            complete=dataset_items.add_summary,
        ),
        _build_table_type(
            DATASET_COLLECTION,
            definitions.parse_dataset,
            "items",
            complete=dataset_items.check_datasets,
        ),
        _build_table_type(MATERIALIZED_VIEW, definitions.parse_materialized_view, "definingSQL"),
    )
}


def _parse_type(body: Mapping[str, Any]) -> EntityType:
    """Return the entity type of a request body.

    Raises:
        BadRequest: The concreteType is missing or unknown.
    """
    name = request_fields.get_required_text(body, "concreteType")
    entity_type = CONCRETE_TYPES.get(name)
    if entity_type is None:
        supported = ", ".join(CONCRETE_TYPES)
        raise BadRequest(f"Unknown concreteType: '{name}'. Supported entity types: {supported}.")
    return entity_type


@dataclass(frozen=True)
class EntityRequest:
    """The entity of a create or update request. Omitted fields are None.

    Args:
        type: Entity type.
        name: Validated name.
        description: At most 1000 characters.
        parent_id: ID of the parent. For a project without a parent in the request: the root
            folder.
        label: Version label.
        comment: Version comment.
        file_handle_id: Data file handle; always set for files.
        properties: Properties that only this type has, without nulls.
    """

    type: EntityType
    name: str | None
    description: str | None
    parent_id: int | None
    label: str | None
    comment: str | None
    file_handle_id: int | None
    properties: Mapping[str, Any]


def parse_entity(body: Mapping[str, Any]) -> EntityRequest:
    """Parse an entity.

    Raises:
        BadRequest: A field is missing or invalid.
    """
    entity_type = _parse_type(body)
    name = request_fields.get_text(body, "name")
    parent = request_fields.get_text(body, "parentId")
    handle = (
        request_fields.get_required_text(body, "dataFileHandleId")
        if entity_type.concrete_type == FILE
        else None
    )
    return EntityRequest(
        type=entity_type,
        name=None if name is None else parse_name(name),
        description=request_fields.get_text(body, "description", limit=MAX_DESCRIPTION),
        parent_id=_parse_parent_id(entity_type, parent),
        label=request_fields.get_text(body, "versionLabel")
        if entity_type.is_versionable
        else None,
        comment=request_fields.get_text(body, "versionComment")
        if entity_type.is_versionable
        else None,
        file_handle_id=None if handle is None else parse_id(handle, "dataFileHandleId"),
        properties={k: v for k, v in entity_type.properties(body).items() if v is not None},
    )


def _parse_parent_id(entity_type: EntityType, parent: str | None) -> int | None:
    if parent is None:
        return ROOT if entity_type.concrete_type == PROJECT else None
    return parse_entity_id(parent)


def complete_properties(
    session: Session, request: EntityRequest, previous: Mapping[str, Any]
) -> EntityRequest:
    """Return a request with completed properties.

    Args:
        session: Database session.
        request: Parsed request.
        previous: Previous properties; empty for a new entity.

    Raises:
        BadRequest: The properties are invalid.
        NotFound: The properties refer to an object that does not exist.
    """
    properties = request.type.complete(session, dict(request.properties), previous)
    return replace(request, properties=properties)
