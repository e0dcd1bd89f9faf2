"""Finding entities: children, by name, by MD5, headers, paths."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ENTITY_TYPES, PROJECT, AccessType
from synapse_workflows.local.domain import access, entities, request_fields
from synapse_workflows.local.domain.entity_types import parse_reference
from synapse_workflows.local.domain.ids import ROOT, TRASH, format_entity_id, parse_entity_id
from synapse_workflows.local.domain.paging import build_next_token, parse_token
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.visibility import is_readable_by
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.models import Entity, EntityVersion

#: How many versions a search by MD5 gives at most.
MAX_MD5: Final = 200
#: What stands in a path for the name of an ancestor that the caller may not READ.
MASKED: Final = "..."
#: Words for entities of newer services that clients of today ask for; nothing here is one.
_NEWER_TYPES: Final = ("recordset", "searchindex")


class SortBy(StrEnum):
    """What children can be sorted by."""

    NAME = "NAME"
    CREATED_ON = "CREATED_ON"
    MODIFIED_ON = "MODIFIED_ON"


class SortDirection(StrEnum):
    """Which way children are sorted."""

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
    words = request_fields.get_list(body, "includeTypes")
    if not words:
        raise BadRequest("EntityChildrenRequest.includeTypes must include at least one type")
    known = (*ENTITY_TYPES.values(), *_NEWER_TYPES)
    wanted = {request_fields.parse_choice(known, each, "includeTypes") for each in words}
    return [name for name, word in ENTITY_TYPES.items() if word in wanted]


def _parse_order(body: Mapping[str, Any]) -> tuple[ColumnElement[Any], ...]:
    by = request_fields.parse_enum(SortBy, body.get("sortBy") or SortBy.NAME, "sortBy")
    way = request_fields.parse_enum(
        SortDirection, body.get("sortDirection") or SortDirection.ASC, "sortDirection"
    )
    columns: dict[SortBy, ColumnElement[Any]] = {
        SortBy.NAME: func.lower(Entity.name),
        SortBy.CREATED_ON: Entity.created_on.expression,
        SortBy.MODIFIED_ON: EntityVersion.modified_on.expression,
    }
    if way is SortDirection.ASC:
        return columns[by].asc(), Entity.id.asc()
    return columns[by].desc(), Entity.id.desc()


def list_children(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """List one page of the children of a container, or of the projects (EntityChildrenRequest).

    Children with an ACL of their own that does not let the caller READ are left out.

    Raises:
        BadRequest: a field is ill-typed, no type is asked for, or the page token is bad.
        Forbidden: the caller may not READ the container.
        NotFound: there is no such container.
    """
    parent = request_fields.get_text(body, "parentId")
    parent_id = ROOT if parent is None else parse_entity_id(parent)
    classes = _parse_types(body)
    asked = parse_token(request_fields.get_text(body, "nextPageToken"))
    access.require(session, caller, parent_id, AccessType.READ)
    if parent is None:
        classes = [PROJECT]
    where = (
        Entity.parent_id == parent_id,
        Entity.id != TRASH,
        Entity.concrete_type.in_(classes),
        is_readable_by(caller),
    )
    query = _select_current().where(*where).order_by(*_parse_order(body))
    found = _serialize_headers(session, query.limit(asked.limit + 1).offset(asked.offset))
    page: dict[str, Any] = {
        "page": found[: asked.limit],
        "nextPageToken": build_next_token(asked, len(found)),
    }
    if request_fields.get_boolean(body, "includeTotalChildCount"):
        count = select(func.count()).select_from(Entity).where(*where)
        page["totalChildCount"] = session.scalar(count)
    if request_fields.get_boolean(body, "includeSumFileSizes"):
        page["sumFileSizesBytes"] = _sum_sizes(session, where)
    return page


def _sum_sizes(session: Session, where: tuple[ColumnElement[bool], ...]) -> int:
    sizes = _select_current().join(FileHandle, FileHandle.id == EntityVersion.file_handle_id)
    summed = sizes.where(*where).with_only_columns(func.sum(FileHandle.content_size))
    return session.scalar(summed) or 0


def find_child(session: Session, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
    """Find a child, or a project, by its name (EntityLookupRequest).

    Returns:
        An EntityId.

    Raises:
        BadRequest: no name is given.
        Forbidden: the caller may not READ what was found.
        NotFound: the container has no child of that name.
    """
    name = request_fields.get_required_text(body, "entityName")
    parent = request_fields.get_text(body, "parentId")
    parent_id = ROOT if parent is None else parse_entity_id(parent)
    found = session.scalar(
        select(Entity.id).where(Entity.parent_id == parent_id, Entity.name == name)
    )
    if found is None or found == TRASH:
        raise NotFound(
            f"Child not found for parentId: {format_entity_id(parent_id)}, name: {name}"
        )
    access.require(session, caller, found, AccessType.READ)
    return {"id": format_entity_id(found)}


def list_by_md5(session: Session, caller: Caller, md5: str) -> list[dict[str, Any]]:
    """List all versions, old ones too, whose data has the MD5 and that the caller may READ.

    Returns:
        At most 200 EntityHeaders with the number of the version, ordered by id.
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
    """Give the headers of a ReferenceList; what is unknown or unreadable is left out.

    Raises:
        BadRequest: a reference is malformed.
    """
    found = []
    for each in request_fields.get_list(body, "references") or []:
        if not isinstance(each, dict):
            raise BadRequest("references must be an array of objects.")
        target = parse_reference(each)
        number = parse_entity_id(target["targetId"])
        if not access.is_allowed(session, caller, number, AccessType.READ):
            continue
        entity = access.get_entity(session, number)
        version = target["targetVersionNumber"] or entity.current_version
        known = session.get(EntityVersion, (number, version))
        if known is not None:
            found.append(entities.serialize_header(entity, known))
    return found


def get_header(session: Session, caller: Caller, entity_id: int) -> dict[str, Any]:
    """Give the EntityHeader of an entity.

    Raises:
        Forbidden: the caller may not READ it.
        NotFound: there is none.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    return entities.get_current_header(session, entity)


def get_benefactor(session: Session, caller: Caller, entity_id: int) -> dict[str, Any]:
    """Give the EntityHeader of the entity whose ACL applies.

    Raises:
        Forbidden: the caller may not READ the entity.
        NotFound: there is no such entity.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    return entities.get_current_header(session, access.get_entity(session, entity.benefactor_id))


def get_path(session: Session, caller: Caller, entity: Entity) -> dict[str, Any]:
    """Give the path from the root to the entity (EntityPath).

    Names of ancestors that the caller may not READ are masked; their ids stay.
    """
    found = []
    for each in access.iter_ancestors(session, entity):
        shown = entities.get_current_header(session, each)
        if access.get_denial(session, caller, each, AccessType.READ) is not None:
            shown["name"] = MASKED
        found.append(shown)
    return {"path": found[::-1]}
