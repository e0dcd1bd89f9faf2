"""The columns that are there for every entity, and what stands in them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.local.domain.tables import columns
from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.domain.tables.values import Stored
from synapse_workflows.local.domain.views import masks
from synapse_workflows.local.storage.file_tables import FileHandle
from synapse_workflows.local.storage.tables import Entity, EntityVersion
from synapse_workflows.vocabulary import ENTITY_TYPES, ColumnType


@dataclass(frozen=True)
class Item:
    """An entity that a view shows.

    Args:
        entity: what is true in all versions.
        version: the current one.
        handle: of its data, when it is a file.
        path: names from the project down, with slashes between.
        project_id: the project it lies in.
    """

    entity: Entity
    version: EntityVersion
    handle: FileHandle | None
    path: str
    project_id: int


@dataclass(frozen=True)
class Field:
    """A default column.

    Args:
        name: of the column.
        type: of the column.
        read: gives the cell.
        size: characters, of STRING columns.
    """

    name: str
    type: ColumnType
    read: Callable[[Item], Stored]
    size: int | None = None

    def body(self) -> dict[str, Any]:
        """Write it as a ColumnModel."""
        size = {} if self.size is None else {"maximumSize": self.size}
        return {"name": self.name, "columnType": self.type.value, **size}


def _of_handle(read: Callable[[FileHandle], Stored]) -> Callable[[Item], Stored]:
    return lambda item: None if item.handle is None else read(item.handle)


_T = ColumnType
_ALL: Final = (
    Field("id", _T.ENTITYID, lambda item: item.entity.id),
    Field("name", _T.STRING, lambda item: item.entity.name, 256),
    Field("description", _T.STRING, lambda item: item.version.description, 1000),
    Field("createdOn", _T.DATE, lambda item: item.entity.created_on),
    Field("createdBy", _T.USERID, lambda item: item.entity.created_by),
    Field("etag", _T.STRING, lambda item: item.entity.etag, 36),
    Field("modifiedOn", _T.DATE, lambda item: item.version.modified_on),
    Field("modifiedBy", _T.USERID, lambda item: item.version.modified_by),
    Field("path", _T.STRING, lambda item: item.path, 1000),
)
_WITHIN: Final = (
    Field("type", _T.STRING, lambda item: ENTITY_TYPES[item.entity.concrete_type], 20),
    Field("currentVersion", _T.INTEGER, lambda item: item.entity.current_version),
    Field("parentId", _T.ENTITYID, lambda item: item.entity.parent_id),
    Field("benefactorId", _T.ENTITYID, lambda item: item.entity.benefactor_id),
    Field("projectId", _T.ENTITYID, lambda item: item.project_id),
)
_FILE: Final = (
    Field("dataFileHandleId", _T.FILEHANDLEID, lambda item: item.version.file_handle_id),
    Field("dataFileName", _T.STRING, _of_handle(lambda handle: handle.file_name), 256),
    Field("dataFileSizeBytes", _T.INTEGER, _of_handle(lambda handle: handle.content_size)),
    Field("dataFileMD5Hex", _T.STRING, _of_handle(lambda handle: handle.content_md5), 100),
    Field("dataFileConcreteType", _T.STRING, _of_handle(lambda handle: handle.concrete_type), 65),
    Field("dataFileBucket", _T.STRING, _of_handle(lambda h: h.location.get("bucketName")), 100),
    Field("dataFileKey", _T.STRING, _of_handle(lambda handle: handle.location.get("key")), 700),
)
_FIELDS: Final[Mapping[tuple[str, ColumnType], Field]] = {
    (each.name, each.type): each for each in (*_ALL, *_WITHIN, *_FILE)
}


def field_of(column: Column) -> Field | None:
    """Give the field that a column shows, by name and type; None for an annotation."""
    return _FIELDS.get((column.name, column.type))


def columns_for(session: Session, mask: int) -> list[dict[str, Any]]:
    """Give the default columns of the views of a mask, as ColumnModels with ids.

    Raises:
        BadRequest: there is no such mask.
    """
    masks.require_uniform(masks.valid(mask))
    found = [*_ALL, *(_WITHIN if mask != masks.PROJECTS else ())]
    found += _FILE if mask & masks.FILES else ()
    return columns.ensure(session, [each.body() for each in found])
