"""Cell values of view rows, from default columns and annotations."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from synapse_workflows.constants import AnnotationType, ColumnType
from synapse_workflows.local.domain.request_fields import utf16_length
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

#: Column type -> annotation types that the column shows. Other columns show all annotation types.
_ACCEPTED_TYPES: Final[Mapping[ColumnType, frozenset[str]]] = {
    ColumnType.INTEGER: frozenset({AnnotationType.LONG, AnnotationType.TIMESTAMP_MS}),
    ColumnType.DATE: frozenset({AnnotationType.LONG, AnnotationType.TIMESTAMP_MS}),
    ColumnType.DOUBLE: frozenset({AnnotationType.DOUBLE, AnnotationType.LONG}),
    ColumnType.BOOLEAN: frozenset({AnnotationType.BOOLEAN}),
}

CellGetter = Callable[[Any], StoredValue]


def get_cell_getter(view_type: ViewType, column: Column) -> CellGetter:
    """Return the function that returns the cell of an item in a column.

    The getter of a default column does not check the length of text, see `check_column_size`. The
    getter of an annotation raises BadRequest if the value is too long for the column.
    """
    default = view_type.find_default_column(column)
    if default is None:
        return _get_annotation_getter(column)
    return default.get_cell


def check_column_size(column: Column, length: int) -> None:
    """Check that a column is large enough for its longest text.

    Raises:
        BadRequest: The column is too small.
    """
    if length > column.max_cell_size:
        raise BadRequest(
            f"The size of the column '{column.name}' is too small. The column size needs to be "
            f"at least {length} characters."
        )


def _get_annotation_getter(column: Column) -> CellGetter:
    parse = _get_values_parser(column)
    accepted = _ACCEPTED_TYPES.get(ITEM_TYPES.get(column.type, column.type))
    name = column.name

    def get_cell(item: ViewItem) -> StoredValue:
        annotation: Mapping[str, Any] | None = item.annotations.get(name)
        if annotation is None or (accepted is not None and annotation["type"] not in accepted):
            return None
        values = annotation["value"]
        try:
            return parse(values)
        except cell_values.CellError:
            _check_limits(column, values)
            return None

    return get_cell


def _get_values_parser(column: Column) -> Callable[[list[str]], StoredValue]:
    """Return the function that parses annotation values. Invalid values raise CellError."""
    parse = cell_values.get_type_parser(column)
    if column.type is ColumnType.STRING_LIST:
        max_size, max_length = column.max_cell_size, column.maximum_length or 0

        def parse_strings(values: list[str]) -> StoredValue:
            if len(values) > max_length or any(utf16_length(each) > max_size for each in values):
                raise cell_values.CellError
            return json.dumps(values, ensure_ascii=False)

        return parse_strings
    if column.type in LIST_TYPES:
        return lambda values: parse(json.dumps(values))
    return lambda values: parse(values[0])


def _check_limits(column: Column, values: list[str]) -> None:
    """Check that a column is large enough for the values of an annotation.

    Raises:
        BadRequest: A value or the list is too long.
    """
    if ITEM_TYPES.get(column.type, column.type) in TEXT_TYPES:
        check_column_size(column, max(map(utf16_length, values)))
    if column.type in LIST_TYPES and len(values) > (column.maximum_length or 0):
        raise BadRequest(
            f"maximumListLength for ColumnModel '{column.name}' must be at least: {len(values)}"
        )
