"""What stands in the cells of a view: default fields, and annotations as far as they fit."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from synapse_workflows.local.domain.tables import values
from synapse_workflows.local.domain.tables.column_types import ITEMS, LISTS, TEXTS, Column
from synapse_workflows.local.domain.tables.values import Stored
from synapse_workflows.local.domain.views.kinds import Item, ViewKind
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.vocabulary import AnnotationType, ColumnType

#: Types of columns -> types of annotations that stand in them; all stand in the others.
_TAKES: Final[Mapping[ColumnType, frozenset[str]]] = {
    ColumnType.INTEGER: frozenset({AnnotationType.LONG, AnnotationType.TIMESTAMP_MS}),
    ColumnType.DATE: frozenset({AnnotationType.LONG, AnnotationType.TIMESTAMP_MS}),
    ColumnType.DOUBLE: frozenset({AnnotationType.DOUBLE, AnnotationType.LONG}),
    ColumnType.BOOLEAN: frozenset({AnnotationType.BOOLEAN}),
}

Reader = Callable[[Any], Stored]


def reader(kind: ViewKind, column: Column) -> Reader:
    """Give what reads the cells of a column from the items of a kind of views.

    The reader raises BadRequest where a value is too long for the column.
    """
    field = kind.field_of(column)
    if field is None:
        return _annotation(column)
    read = field.read
    if column.type not in TEXTS:
        return read
    limit = column.limit

    def fitting(item: Item) -> Stored:
        cell = read(item)
        if isinstance(cell, str) and len(cell) > limit:
            _require_room(column, [cell])
        return cell

    return fitting


def _annotation(column: Column) -> Reader:
    parse = values.plain_parser(column)
    takes = _TAKES.get(ITEMS.get(column.type, column.type))
    name, is_list = column.name, column.type in LISTS

    def read(item: Item) -> Stored:
        annotation: Mapping[str, Any] | None = item.annotations.get(name)
        if annotation is None or (takes is not None and annotation["type"] not in takes):
            return None
        given = annotation["value"]
        try:
            return parse(json.dumps(given) if is_list else given[0])
        except values.CellError:
            _require_room(column, given)
            return None

    return read


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
