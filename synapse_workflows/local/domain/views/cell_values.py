"""What stands in the cells of a view: default fields, and annotations as far as they fit."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from synapse_workflows.constants import AnnotationType, ColumnType
from synapse_workflows.local.domain.tables import cell_values
from synapse_workflows.local.domain.tables.cell_values import StoredValue
from synapse_workflows.local.domain.tables.column_types import (
    ITEM_TYPES,
    LIST_TYPES,
    TEXT_TYPES,
    Column,
)
from synapse_workflows.local.domain.views.view_types import ViewItem, ViewType
from synapse_workflows.local.errors import BadRequest

#: Types of columns -> types of annotations that stand in them; all stand in the others.
_ACCEPTED_TYPES: Final[Mapping[ColumnType, frozenset[str]]] = {
    ColumnType.INTEGER: frozenset({AnnotationType.LONG, AnnotationType.TIMESTAMP_MS}),
    ColumnType.DATE: frozenset({AnnotationType.LONG, AnnotationType.TIMESTAMP_MS}),
    ColumnType.DOUBLE: frozenset({AnnotationType.DOUBLE, AnnotationType.LONG}),
    ColumnType.BOOLEAN: frozenset({AnnotationType.BOOLEAN}),
}

CellGetter = Callable[[Any], StoredValue]


def get_cell_getter(kind: ViewType, column: Column) -> CellGetter:
    """Give what reads the cells of a column from the items of a kind of views.

    Text of default fields may come out too long for the column, see `require_fit`; the reader of
    an annotation raises BadRequest.
    """
    field = kind.field_of(column)
    if field is None:
        return _get_annotation_getter(column)
    return field.read


def check_column_size(column: Column, longest: int) -> None:
    """Check that a column is wide enough for the longest of its texts.

    Raises:
        BadRequest: it is not.
    """
    if longest > column.max_cell_size:
        raise BadRequest(
            f"The size of the column '{column.name}' is too small. The column size needs to be "
            f"at least {longest} characters."
        )


def _get_annotation_getter(column: Column) -> CellGetter:
    parse = _get_values_parser(column)
    takes = _ACCEPTED_TYPES.get(ITEM_TYPES.get(column.type, column.type))
    name = column.name

    def read(item: ViewItem) -> StoredValue:
        annotation: Mapping[str, Any] | None = item.annotations.get(name)
        if annotation is None or (takes is not None and annotation["type"] not in takes):
            return None
        given = annotation["value"]
        try:
            return parse(given)
        except cell_values.CellError:
            _check_limits(column, given)
            return None

    return read


def _get_values_parser(column: Column) -> Callable[[list[str]], StoredValue]:
    """Give what makes a cell of the values of an annotation. It raises CellError."""
    parse = cell_values.get_type_parser(column)
    if column.type is ColumnType.STRING_LIST:
        limit, most = column.max_cell_size, column.maximum_length or 0

        def as_text(given: list[str]) -> StoredValue:
            if len(given) > most or any(len(each) > limit for each in given):
                raise cell_values.CellError
            return json.dumps(given, ensure_ascii=False)

        return as_text
    if column.type in LIST_TYPES:
        return lambda given: parse(json.dumps(given))
    return lambda given: parse(given[0])


def _check_limits(column: Column, given: list[str]) -> None:
    """Check that a column is wide enough for a value; it is told to whoever made it too small.

    Raises:
        BadRequest: it is not.
    """
    if ITEM_TYPES.get(column.type, column.type) in TEXT_TYPES:
        check_column_size(column, max(map(len, given)))
    if column.type in LIST_TYPES and len(given) > (column.maximum_length or 0):
        raise BadRequest(
            f"maximumListLength for ColumnModel '{column.name}' must be at least: {len(given)}"
        )
