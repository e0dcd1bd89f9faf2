"""The rows of an entity view as they are now: the current versions of what is in scope."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.ids import ROOT, TRASH
from synapse_workflows.local.domain.tables import values
from synapse_workflows.local.domain.tables.column_types import ITEMS, LISTS, TEXTS, Column
from synapse_workflows.local.domain.tables.schemas import Schema
from synapse_workflows.local.domain.tables.values import Stored
from synapse_workflows.local.domain.views import defaults
from synapse_workflows.local.domain.views.defaults import Item
from synapse_workflows.local.domain.views.scopes import Scope
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.file_tables import FileHandle
from synapse_workflows.local.storage.tables import Entity, EntityVersion
from synapse_workflows.vocabulary import AnnotationType, ColumnType

#: Types of columns -> types of annotations that stand in them; all stand in the others.
_TAKES: Final[Mapping[ColumnType, frozenset[str]]] = {
    ColumnType.INTEGER: frozenset({AnnotationType.LONG, AnnotationType.TIMESTAMP_MS}),
    ColumnType.DATE: frozenset({AnnotationType.LONG, AnnotationType.TIMESTAMP_MS}),
    ColumnType.DOUBLE: frozenset({AnnotationType.DOUBLE, AnnotationType.LONG}),
    ColumnType.BOOLEAN: frozenset({AnnotationType.BOOLEAN}),
}
_AT_A_TIME: Final = 500


@dataclass(frozen=True)
class ViewRow:
    """One row of a view.

    Args:
        row_id: number of the entity.
        version: its current one.
        etag: the entity's.
        benefactor_id: whoever may READ it sees the row.
        modified_on: milliseconds since the epoch.
        cells: as many as there are columns.
    """

    row_id: int
    version: int
    etag: str
    benefactor_id: int
    modified_on: int
    cells: tuple[Stored, ...]


def current(scope: Scope) -> Select[Entity, EntityVersion]:
    """Make the query of the current versions of what is in scope and not in the trash can."""
    return (
        select(Entity, EntityVersion)
        .join(
            EntityVersion,
            (EntityVersion.entity_id == Entity.id)
            & (EntityVersion.number == Entity.current_version),
        )
        .where(scope.members(), Entity.benefactor_id != TRASH)
    )


def listing(
    session: Session, scope: Scope, schema: Schema, *where: ColumnElement[bool]
) -> Iterator[ViewRow]:
    """Give the rows of a view, by id.

    Args:
        session: reads the tables.
        scope: what the view shows.
        schema: its columns.
        where: what an entity must fulfil besides.

    Raises:
        BadRequest: a value is too long for its column.
    """
    readers = [reader(column) for column in schema]
    places = _Places(session)
    query = (
        current(scope)
        .outerjoin(FileHandle, FileHandle.id == EntityVersion.file_handle_id)
        .add_columns(FileHandle)
        .where(*where)
        .order_by(Entity.id)
    )
    for entity, version, handle in session.execute(query).yield_per(_AT_A_TIME):
        item = Item(entity, version, handle, *places.of(entity))
        yield ViewRow(
            row_id=entity.id,
            version=version.number,
            etag=entity.etag,
            benefactor_id=entity.benefactor_id,
            modified_on=version.modified_on,
            cells=tuple(read(item) for read in readers),
        )


class _Places:
    """Paths and projects of entities; those of a container are found once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[int, tuple[str, int]] = {}

    def of(self, entity: Entity) -> tuple[str, int]:
        """Give the path of an entity, and the id of its project."""
        if entity.parent_id in {None, ROOT}:
            return entity.name, entity.id
        parent_id = entity.parent_id or ROOT
        if parent_id not in self._known:
            self._known[parent_id] = self.of(access.find(self._session, parent_id))
        path, project = self._known[parent_id]
        return f"{path}/{entity.name}", project


def reader(column: Column) -> Callable[[Item], Stored]:
    """Give what reads the cells of a column."""
    found = defaults.field_of(column)
    if found is not None:
        field = found
        return lambda item: _fitting(column, field.read(item))
    parse = values.plain_parser(column)
    takes = _TAKES.get(ITEMS.get(column.type, column.type))

    def read(item: Item) -> Stored:
        annotation: Mapping[str, Any] | None = item.version.annotations.get(column.name)
        if annotation is None or (takes is not None and annotation["type"] not in takes):
            return None
        given = annotation["value"]
        try:
            return parse(json.dumps(given) if column.type in LISTS else given[0])
        except values.CellError:
            _require_room(column, given)
            return None

    return read


def _fitting(column: Column, cell: Stored) -> Stored:
    if isinstance(cell, str):
        _require_room(column, [cell])
    return cell


def _require_room(column: Column, given: list[str]) -> None:
    """Check that a column is wide enough for a value; it is told to whoever made it too small.

    Raises:
        BadRequest: it is not.
    """
    longest = max(map(len, given))
    if ITEMS.get(column.type, column.type) in TEXTS and longest > column.limit:
        raise BadRequest(
            f"The size of the column '{column.name}' is too small. The column size needs to be "
            f"at least {longest} characters."
        )
    if column.type in LISTS and len(given) > (column.maximum_length or 0):
        raise BadRequest(
            f"maximumListLength for ColumnModel '{column.name}' must be at least: {len(given)}"
        )
