"""Rows of views that show entities: queries, default columns, and updates of annotations."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ENTITY_TYPES, AccessType, ColumnType
from synapse_workflows.local.domain import access, entities
from synapse_workflows.local.domain.entity_types import CONCRETE_TYPES
from synapse_workflows.local.domain.ids import ROOT, TRASH, format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.views import type_masks
from synapse_workflows.local.domain.views.container_scope import select_values
from synapse_workflows.local.domain.views.view_types import (
    AnnotationTarget,
    DefaultColumn,
    ViewItem,
)
from synapse_workflows.local.domain.visibility import is_readable_by
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.models import Entity, EntityVersion

_BATCH_SIZE: Final = 500
_SELECTED: Final = (
    Entity.id,
    Entity.parent_id,
    Entity.benefactor_id,
    Entity.concrete_type,
    Entity.name,
    Entity.etag,
    Entity.created_on,
    Entity.created_by,
    Entity.current_version,
    EntityVersion.number,
    EntityVersion.description,
    EntityVersion.modified_on,
    EntityVersion.modified_by,
    EntityVersion.file_handle_id,
    EntityVersion.annotations,
    FileHandle.file_name,
    FileHandle.content_size,
    FileHandle.content_md5,
    FileHandle.concrete_type.label("handle_type"),
    func.json_extract(FileHandle.location, "$.bucketName").label("bucket"),
    func.json_extract(FileHandle.location, "$.key").label("key"),
)


@dataclass(frozen=True)
class EntityItem(ViewItem):
    """A version of an entity as a row of a view.

    Args:
        row: Result row of `select_versions`.
        path: Names of the project, the folders and the entity, separated by slashes.
        project_id: ID of the project that contains the entity.
    """

    row: Row[Any]
    path: str
    project_id: int


_T = ColumnType
_COMMON_COLUMNS: Final[tuple[DefaultColumn[EntityItem], ...]] = (
    DefaultColumn("id", _T.ENTITYID, lambda item: item.row_id),
    DefaultColumn("name", _T.STRING, lambda item: item.row.name, 256),
    DefaultColumn("description", _T.STRING, lambda item: item.row.description, 1000),
    DefaultColumn("createdOn", _T.DATE, lambda item: item.row.created_on),
    DefaultColumn("createdBy", _T.USERID, lambda item: item.row.created_by),
    DefaultColumn("etag", _T.STRING, lambda item: item.etag, 36),
    DefaultColumn("modifiedOn", _T.DATE, lambda item: item.modified_on),
    DefaultColumn("modifiedBy", _T.USERID, lambda item: item.row.modified_by),
    DefaultColumn("path", _T.STRING, lambda item: item.path, 1000),
)
_NESTED_COLUMNS: Final[tuple[DefaultColumn[EntityItem], ...]] = (
    DefaultColumn("type", _T.STRING, lambda item: ENTITY_TYPES[item.row.concrete_type], 20),
    DefaultColumn("currentVersion", _T.INTEGER, lambda item: item.row.current_version),
    DefaultColumn("parentId", _T.ENTITYID, lambda item: item.row.parent_id),
    DefaultColumn("benefactorId", _T.ENTITYID, lambda item: item.benefactor_id),
    DefaultColumn("projectId", _T.ENTITYID, lambda item: item.project_id),
)
_FILE_COLUMNS: Final[tuple[DefaultColumn[EntityItem], ...]] = (
    DefaultColumn("dataFileHandleId", _T.FILEHANDLEID, lambda item: item.row.file_handle_id),
    DefaultColumn("dataFileName", _T.STRING, lambda item: item.row.file_name, 256),
    DefaultColumn("dataFileSizeBytes", _T.INTEGER, lambda item: item.file_size),
    DefaultColumn("dataFileMD5Hex", _T.STRING, lambda item: item.row.content_md5, 100),
    DefaultColumn("dataFileConcreteType", _T.STRING, lambda item: item.row.handle_type, 65),
    DefaultColumn("dataFileBucket", _T.STRING, lambda item: item.row.bucket, 100),
    DefaultColumn("dataFileKey", _T.STRING, lambda item: item.row.key, 700),
)
DEFAULT_COLUMNS: Final = (*_COMMON_COLUMNS, *_NESTED_COLUMNS, *_FILE_COLUMNS)


def get_default_columns(mask: int) -> tuple[DefaultColumn[EntityItem], ...]:
    """Return the default columns for a type mask.

    Raises:
        BadRequest: The mask is invalid.
    """
    type_masks.check_combination(type_masks.check_mask(mask))
    nested = _NESTED_COLUMNS if mask != type_masks.PROJECTS else ()
    files = _FILE_COLUMNS if mask & type_masks.FILES else ()
    return (*_COMMON_COLUMNS, *nested, *files)


def select_versions() -> Select[Any]:
    """Return the query of all versions of all entities that are not in the trash can."""
    return (
        select(*_SELECTED)
        .select_from(Entity)
        .join(EntityVersion, EntityVersion.entity_id == Entity.id)
        .outerjoin(FileHandle, FileHandle.id == EntityVersion.file_handle_id)
        .where(Entity.benefactor_id != TRASH)
    )


def iter_items(session: Session, query: Select[Any]) -> Iterator[EntityItem]:
    """Iterate over the items of a query based on `select_versions`, ordered by ID."""
    paths = _PathResolver(session)
    rows = session.execute(query.order_by(Entity.id), execution_options={"yield_per": _BATCH_SIZE})
    for row in rows:
        path, project_id = paths.resolve(row.id, row.parent_id, row.name)
        yield EntityItem(
            row_id=row.id,
            version=row.number,
            etag=row.etag,
            benefactor_id=row.benefactor_id,
            modified_on=row.modified_on,
            file_size=row.content_size,
            annotations=row.annotations,
            row=row,
            path=path,
            project_id=project_id,
        )


class _PathResolver:
    """Paths and projects of entities, cached by container."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._cache: dict[int, tuple[str, int]] = {}

    def resolve(self, entity_id: int, parent_id: int | None, name: str) -> tuple[str, int]:
        """Return the path of an entity and the ID of its project."""
        if parent_id is None or parent_id == ROOT:
            return name, entity_id
        if parent_id not in self._cache:
            parent = access.get_entity(self._session, parent_id)
            self._cache[parent_id] = self.resolve(parent.id, parent.parent_id, parent.name)
        path, project_id = self._cache[parent_id]
        return f"{path}/{name}", project_id


def find_readable(session: Session, caller: Caller, entity_ids: Collection[int]) -> set[int]:
    """Return the subset of the entity IDs that a caller may read."""
    readable = select(Entity.id).where(
        Entity.id.in_(select_values(entity_ids)), is_readable_by(caller)
    )
    return set(session.scalars(readable))


def find_not_trashed(session: Session, entity_id: int) -> Entity | None:
    """Return an entity; None if it does not exist or is in the trash can."""
    entity = session.get(Entity, entity_id)
    return None if entity is None or access.is_trashed(entity) else entity


class EntityTargets:
    """Entities whose annotations row updates change, each in its current version.

    Args:
        session: Database session.
        caller: The caller; must have UPDATE on the entities.
    """

    def __init__(self, session: Session, caller: Caller) -> None:
        self._session = session
        self._caller = caller
        self._prefetched: list[Any] = []
        self._permitted: set[tuple[int, str]] = set()

    def prefetch(self, row_ids: Collection[int]) -> None:
        """Load entities into the identity map of the session, and keep references to them.

        The identity map itself holds weak references.
        """
        is_current = (EntityVersion.entity_id == Entity.id) & (
            EntityVersion.number == Entity.current_version
        )
        query = select(Entity, EntityVersion).join(EntityVersion, is_current)
        query = query.where(Entity.id.in_(select_values(row_ids)))
        self._prefetched = list(self._session.execute(query))

    def get(self, row_id: int) -> AnnotationTarget:
        """Return the entity of a row.

        Raises:
            Forbidden: The caller may not update the entity.
            NotFound: The entity does not exist.
        """
        entity, version = self.get_current_version(row_id)
        caller = self._caller

        def write(annotations: dict[str, Any]) -> None:
            entities.record_change(self._session, caller, entity, version, annotations=annotations)

        return AnnotationTarget(
            name=format_entity_id(row_id),
            etag=entity.etag,
            annotations=version.annotations,
            reserved_names=CONCRETE_TYPES[entity.concrete_type].fields,
            write=write,
        )

    def get_current_version(self, row_id: int) -> tuple[Entity, EntityVersion]:
        """Return an entity that the caller may update, and its current version.

        Raises:
            Forbidden: The caller may not update the entity.
            NotFound: The entity does not exist.
        """
        entity = access.get_entity(self._session, row_id)
        # The UPDATE permission depends only on the benefactor and the type of the entity.
        key = entity.benefactor_id, entity.concrete_type
        if key not in self._permitted:
            access.require(self._session, self._caller, row_id, AccessType.UPDATE)
            self._permitted.add(key)
        return entity, entities.get_version(self._session, entity)
