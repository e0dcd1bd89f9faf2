"""Lists and lookup of entities: children, names, MD5s, headers and paths."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ENTITY_TYPES, PROJECT, AccessType
from synapse_workflows.local.domain import access, entities, hierarchy, request_fields
from synapse_workflows.local.domain.entity_types import parse_reference
from synapse_workflows.local.domain.ids import ROOT, TRASH, format_entity_id, parse_entity_id
from synapse_workflows.local.domain.paging import build_next_token, parse_token
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.visibility import is_readable_by
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.models import Entity, EntityVersion

#: Maximum number of versions that a search by MD5 returns.
MAX_MD5: Final = 200
#: Name shown in a path for an ancestor that the caller cannot READ.
MASKED: Final = "..."
#: Entity types that current clients request and that this service does not support.
_NEWER_TYPES: Final = ("recordset", "searchindex")


class SortBy(StrEnum):
    """Sort keys of children."""

    NAME = "NAME"
    CREATED_ON = "CREATED_ON"
    MODIFIED_ON = "MODIFIED_ON"


class SortDirection(StrEnum):
    """Sort directions of children."""

    ASC = "ASC"
    DESC = "DESC"


def _select_current() -> Select[Entity, EntityVersion]:
    return select(Entity, EntityVersion).join(
        EntityVersion,
        (EntityVersion.entity_id == Entity.id) & (EntityVersion.number == Entity.current_version),
    )


def _serialize_headers(
    session: Session, query: Select[Entity, EntityVersion]
) -> list[dict[str, Any]]:
    return [
        entities.serialize_header(entity, version) for entity, version in session.execute(query)
    ]


def _parse_types(body: Mapping[str, Any]) -> list[str]:
    names = request_fields.get_list(body, "includeTypes")
    if not names:
        raise BadRequest("EntityChildrenRequest.includeTypes must include at least one type")
    known = (*ENTITY_TYPES.values(), *_NEWER_TYPES)
    requested = {request_fields.parse_choice(known, each, "includeTypes") for each in names}
    return [concrete_type for concrete_type, name in ENTITY_TYPES.items() if name in requested]


def _parse_order(body: Mapping[str, Any]) -> tuple[ColumnElement[Any], ...]:
    sort_by = request_fields.parse_enum(SortBy, body.get("sortBy") or SortBy.NAME, "sortBy")
    direction = request_fields.parse_enum(
        SortDirection, body.get("sortDirection") or SortDirection.ASC, "sortDirection"
    )
    columns: dict[SortBy, ColumnElement[Any]] = {
        SortBy.NAME: func.lower(Entity.name),
        SortBy.CREATED_ON: Entity.created_on.expression,
        SortBy.MODIFIED_ON: EntityVersion.modified_on.expression,
    }
    if direction is SortDirection.ASC:
        return columns[sort_by].asc(), Entity.id.asc()
    return columns[sort_by].desc(), Entity.id.desc()


def list_children(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """List one page of the children of a container or of all projects (EntityChildrenRequest).

    Children that the caller cannot READ are omitted.

    Raises:
        BadRequest: A field is invalid, no type is requested, or the page token is invalid.
        Forbidden: The caller lacks READ on the container.
        NotFound: No such container.
    """
    parent = request_fields.get_text(body, "parentId")
    parent_id = ROOT if parent is None else parse_entity_id(parent)
    concrete_types = _parse_types(body)
    page = parse_token(request_fields.get_text(body, "nextPageToken"))
    access.require(session, caller, parent_id, AccessType.READ)
    if parent is None:
        concrete_types = [PROJECT]
    conditions = (
        Entity.parent_id == parent_id,
        Entity.id != TRASH,
        Entity.concrete_type.in_(concrete_types),
        is_readable_by(caller),
    )
    query = _select_current().where(*conditions).order_by(*_parse_order(body))
    headers = _serialize_headers(session, query.limit(page.limit + 1).offset(page.offset))
    response: dict[str, Any] = {
        "page": headers[: page.limit],
        "nextPageToken": build_next_token(page, len(headers)),
    }
    if request_fields.get_boolean(body, "includeTotalChildCount"):
        count = select(func.count()).select_from(Entity).where(*conditions)
        response["totalChildCount"] = session.scalar(count)
    if request_fields.get_boolean(body, "includeSumFileSizes"):
        response["sumFileSizesBytes"] = _sum_sizes(session, conditions)
    return response


def _sum_sizes(session: Session, conditions: tuple[ColumnElement[bool], ...]) -> int:
    sizes = _select_current().join(FileHandle, FileHandle.id == EntityVersion.file_handle_id)
    query = sizes.where(*conditions).with_only_columns(func.sum(FileHandle.content_size))
    return session.scalar(query) or 0


def find_child(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Find a child or a project by name (EntityLookupRequest).

    Returns:
        EntityId.

    Raises:
        BadRequest: The name is missing.
        Forbidden: The caller lacks READ on the child.
        NotFound: The container has no child with that name.
    """
    name = request_fields.get_required_text(body, "entityName")
    parent = request_fields.get_text(body, "parentId")
    parent_id = ROOT if parent is None else parse_entity_id(parent)
    child_id = hierarchy.find_child(session, parent_id, name)
    if child_id is None or child_id == TRASH:
        raise NotFound(
            f"Child not found for parentId: {format_entity_id(parent_id)}, name: {name}"
        )
    access.require(session, caller, child_id, AccessType.READ)
    return {"id": format_entity_id(child_id)}


def list_by_md5(session: Session, caller: Caller, md5: str) -> list[dict[str, Any]]:
    """List the versions of all entities whose file has the MD5 and that the caller can READ.

    Returns:
        At most 200 EntityHeaders, ordered by ID and version.
    """
    query = (
        select(Entity, EntityVersion)
        .join(EntityVersion, EntityVersion.entity_id == Entity.id)
        .join(FileHandle, FileHandle.id == EntityVersion.file_handle_id)
        .where(FileHandle.content_md5 == md5.strip().lower(), is_readable_by(caller))
        .order_by(Entity.id, EntityVersion.number)
        .limit(MAX_MD5)
    )
    return _serialize_headers(session, query)


def list_headers(
    session: Session, caller: Caller, body: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """List the headers of a ReferenceList. Entities that the caller cannot READ are omitted.

    Raises:
        BadRequest: A reference is malformed.
    """
    headers = []
    for each in request_fields.get_list(body, "references") or []:
        if not isinstance(each, dict):
            raise BadRequest("references must be an array of objects.")
        target = parse_reference(each)
        entity_id = parse_entity_id(target["targetId"])
        if not access.is_allowed(session, caller, entity_id, AccessType.READ):
            continue
        entity = access.get_entity(session, entity_id)
        number = target["targetVersionNumber"] or entity.current_version
        version = session.get(EntityVersion, (entity_id, number))
        if version is not None:
            headers.append(entities.serialize_header(entity, version))
    return headers


def get_header(session: Session, caller: Caller, entity_id: int) -> dict[str, Any]:
    """Return the EntityHeader of an entity.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such entity.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    return entities.get_current_header(session, entity)


def get_benefactor(session: Session, caller: Caller, entity_id: int) -> dict[str, Any]:
    """Return the EntityHeader of the entity whose ACL applies.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such entity.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    return entities.get_current_header(session, access.get_entity(session, entity.benefactor_id))


def get_path(session: Session, caller: Caller, entity: Entity) -> dict[str, Any]:
    """Return the path from the root folder to an entity (EntityPath).

    Names of ancestors that the caller cannot READ are masked.
    """
    headers = []
    for each in access.iter_ancestors(session, entity):
        header = entities.get_current_header(session, each)
        if access.get_denial(session, caller, each, AccessType.READ) is not None:
            header["name"] = MASKED
        headers.append(header)
    return {"path": headers[::-1]}
