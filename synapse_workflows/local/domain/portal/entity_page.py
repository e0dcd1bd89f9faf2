"""Content of the page of an entity version."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import CONTAINERS, ENTITY_TYPES, AccessType
from synapse_workflows.local.domain import (
    access,
    annotations,
    children,
    entities,
    file_handles,
    versions,
)
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables import schemas
from synapse_workflows.local.storage.models import Entity, EntityVersion, Principal

#: Children, versions, rows or submissions per page.
PAGE_SIZE: Final = 50
#: Properties that the page shows elsewhere, or that only clients need.
_HIDDEN: Final = frozenset({
    "name", "description", "id", "etag", "concreteType", "parentId", "createdOn", "createdBy",
    "modifiedOn", "modifiedBy", "versionNumber", "versionLabel", "versionComment",
    "isLatestVersion", "dataFileHandleId", "fileNameOverride", "columnIds", "items", "linksTo",
})  # fmt: skip


@dataclass(frozen=True)
class ListPage:
    """One page of a list.

    Args:
        items: Items of the page.
        offset: Number of items before the page.
        has_more: Whether more items follow.
    """

    items: list[dict[str, Any]]
    offset: int
    has_more: bool


@dataclass(frozen=True, kw_only=True)
class EntityPage:
    """Content of the page of an entity version.

    Args:
        entity: The version in the format of the REST API.
        version: Number of the version.
        type_name: Type of the entity, for example `file`.
        created_by: Name of the user who created the entity.
        modified_by: Name of the user who changed the version.
        path: Headers of the ancestors without the root folder, and of the entity.
        properties: Further properties of the type as text, for example `definingSQL`.
        annotations: Values of each annotation.
        file: `name`, `size`, `md5` and `content_type` of the file; None without file.
        can_download: Whether the caller may download the file.
        children: Children that the caller can read; None if the entity is not a container.
        versions: Versions of the entity.
        has_rows: Whether the entity is a table or view.
    """

    entity: dict[str, Any]
    version: int
    type_name: str
    created_by: str
    modified_by: str
    path: list[dict[str, Any]]
    properties: dict[str, str]
    annotations: dict[str, list[str]]
    file: dict[str, Any] | None
    can_download: bool
    children: ListPage | None
    versions: ListPage
    has_rows: bool


def read_entity_page(
    session: Session,
    caller: Caller,
    entity_id: int,
    number: int | None,
    *,
    children_offset: int = 0,
    versions_offset: int = 0,
) -> EntityPage:
    """Read the content of the page of an entity version.

    Args:
        session: Database session.
        caller: User of the request; needs READ.
        entity_id: ID of the entity.
        number: Version; None for the current version.
        children_offset: Number of children to skip.
        versions_offset: Number of versions to skip.

    Raises:
        Forbidden: The caller lacks READ.
        NotFound: No such entity or version, or the entity is in the trash can.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    version = entities.get_version(session, entity, number)
    body = entities.serialize(entity, version)
    is_container = entity.concrete_type in CONTAINERS
    can_download = access.is_allowed(session, caller, entity_id, AccessType.DOWNLOAD)
    return EntityPage(
        entity=body,
        version=version.number,
        type_name=ENTITY_TYPES[entity.concrete_type],
        created_by=get_user_name(session, entity.created_by),
        modified_by=get_user_name(session, version.modified_by),
        path=children.get_path(session, caller, entity)["path"][1:],
        properties=_format_properties(body),
        annotations=_read_annotations(entity, version),
        file=_read_file(session, version, can_download=can_download),
        can_download=can_download,
        children=read_children(session, caller, entity_id, children_offset)
        if is_container
        else None,
        versions=_read_versions(session, caller, entity_id, versions_offset),
        has_rows=schemas.has_columns(entity),
    )


def read_children(session: Session, caller: Caller, parent: int | None, offset: int) -> ListPage:
    """Read one page of the children of a container; None lists projects.

    Raises:
        BadRequest: The offset is out of range.
    """
    request = {
        "parentId": None if parent is None else format_entity_id(parent),
        "includeTypes": list(ENTITY_TYPES.values()),
        "nextPageToken": f"{PAGE_SIZE}a{offset}",
    }
    response = children.list_children(session, caller, request)
    page = [{**each, "type": ENTITY_TYPES[each["type"]]} for each in response["page"]]
    return ListPage(page, offset, response["nextPageToken"] is not None)


def get_user_name(session: Session, user_id: int) -> str:
    """Return the name of a user or team; the ID if there is none."""
    principal = session.get(Principal, user_id)
    return str(user_id) if principal is None else principal.name


def _format_properties(body: dict[str, Any]) -> dict[str, str]:
    properties = {name: body[name] for name in body if name not in _HIDDEN}
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in properties.items()
        if value not in (None, "", [])
    }


def _read_annotations(entity: Entity, version: EntityVersion) -> dict[str, list[str]]:
    found = annotations.serialize(entity, version)["annotations"]
    return {key: found[key]["value"] for key in sorted(found)}


def _read_file(
    session: Session, version: EntityVersion, *, can_download: bool
) -> dict[str, Any] | None:
    """Return the facts about the file of a version; the content type needs DOWNLOAD."""
    if version.file_handle_id is None:
        return None
    handle = file_handles.get_handle(session, version.file_handle_id)
    return {
        "name": version.properties.get("fileNameOverride") or handle.file_name,
        "size": handle.content_size,
        "md5": handle.content_md5,
        "content_type": handle.content_type if can_download else None,
    }


def _read_versions(session: Session, caller: Caller, entity_id: int, offset: int) -> ListPage:
    page = Page(PAGE_SIZE + 1, offset)
    found = versions.list_versions(session, caller, entity_id, page)
    return ListPage(found[:PAGE_SIZE], offset, len(found) > PAGE_SIZE)
