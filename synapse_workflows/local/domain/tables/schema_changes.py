"""Columns that are added, removed or become others, with what the cells hold: schema changes."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from synapse_workflows.constants import MODEL, ColumnType
from synapse_workflows.local.domain import entities, request_fields
from synapse_workflows.local.domain.ids import decimal
from synapse_workflows.local.domain.tables import cell_values, schemas
from synapse_workflows.local.domain.tables.column_layout import StoredColumn, apply_layout
from synapse_workflows.local.domain.tables.column_types import LIST_TYPES, TEXT_TYPES, Column
from synapse_workflows.local.domain.tables.columns import parse_ids
from synapse_workflows.local.domain.tables.table_update import TableUpdate
from synapse_workflows.local.errors import BadRequest

RESULT: Final = f"{MODEL}.table.TableSchemaChangeResponse"


def change_schema(update: TableUpdate, request: Mapping[str, Any]) -> dict[str, Any]:
    """Add, remove and convert columns (TableSchemaChangeRequest).

    Returns:
        A TableSchemaChangeResponse.

    Raises:
        BadRequest: a change is of a column that the table has not, the columns cannot be those
            of one table, or a cell cannot become a value of its new column.
        NotFound: there is no such column.
    """
    old_ids = [each.column.id for each in update.bound]
    new_ids, became, gone = parse_changes(request, old_ids)
    with update.run.service.database.reading() as session:
        wanted = schemas.validate(session, new_ids)
    _apply(update, wanted, became, gone)
    return {"concreteType": RESULT, "schema": [dict(each.body) for each in wanted]}


def parse_changes(
    request: Mapping[str, Any], old_ids: Sequence[int]
) -> tuple[list[int], dict[int, int], set[int]]:
    """Read the changes.

    Returns:
        The columns then, which new one takes its cells from which old, and which old ones were
        removed or replaced.

    Raises:
        BadRequest: a change is of a column that is not there, or is there already.
    """
    new_ids, gone = list(old_ids), set[int]()
    became: dict[int, int] = {}
    for change in request_fields.items(request, "changes") or []:
        if not isinstance(change, dict):
            raise BadRequest("changes must be an array of objects.")
        old, new = (_column_id(change, key) for key in ("oldColumnId", "newColumnId"))
        if old is not None and old not in new_ids:
            raise BadRequest(f"oldColumnId: {old} is no column of the table.")
        if old is None and new in new_ids:  # clients name all default columns of a new view
            continue
        if new is not None and new != old and new in new_ids:
            raise BadRequest(f"newColumnId: {new} is a column of the table already.")
        if old is None and new is not None:
            new_ids.append(new)
        elif old is not None and new is None:
            new_ids.remove(old)
            became.pop(old, None)
            gone.add(old)
        elif old is not None and new is not None and new != old:
            new_ids[new_ids.index(old)] = new
            became[new] = became.pop(old, old)
            gone.add(old)
    return _ordered(request, new_ids), became, gone


def _ordered(request: Mapping[str, Any], new_ids: list[int]) -> list[int]:
    ordered = parse_ids(request, "orderedColumnIds")
    if ordered and sorted(ordered) != sorted(new_ids):
        raise BadRequest("orderedColumnIds must be the columns of the table after the changes.")
    return ordered or new_ids


def _column_id(change: Mapping[str, Any], key: str) -> int | None:
    return None if change.get(key) is None else decimal(change[key], key)


def _apply(
    update: TableUpdate, wanted: schemas.Schema, became: Mapping[int, int], gone: set[int]
) -> None:
    writer, run = update.writer, update.run
    version = writer.create_change_set(entities.new_etag(), run.service.now(), run.caller.id)
    before = update.bound_by_id()
    kept = {number: each.slot for number, each in before.items() if number not in gone}
    same = {
        new: before[old].slot
        for new, old in became.items()
        if old in before and _holds(next(each for each in wanted if each.id == new), before[old])
    }
    layout = apply_layout(writer, version, wanted, {**kept, **same})
    by_id = {each.id: each for each in wanted}
    update.bound = tuple(StoredColumn(by_id[number], slot) for number, slot in layout)
    for each in update.bound:
        old = became.get(each.column.id)
        if old in before and each.column.id not in same:
            _convert(update, before[old], each)
    update.schema_number = writer.schema_number + 1
    update.schema_is_new = True
    writer.set_schema_number(update.schema_number)


def _holds(new: Column, old: StoredColumn) -> bool:
    """Tell whether every cell of the old column is one of the new, in the same form."""
    was = old.column
    return (
        was.type is new.type
        and not new.words
        and (new.maximum_size or 0) >= (was.maximum_size or 0)
        and (new.maximum_length or 0) >= (was.maximum_length or 0)
        and new.default is None
    )


def get_converter(old: Column, new: Column) -> Callable[[Any], cell_values.StoredValue]:
    """Give what turns a stored value of one column into one of another."""
    write, read = cell_values.get_serializer(old.type), cell_values.get_cell_parser(new)
    wraps = new.type in LIST_TYPES and old.type not in LIST_TYPES
    unwraps = old.type in LIST_TYPES and new.type not in LIST_TYPES and new.type not in TEXT_TYPES

    def convert(stored: Any) -> cell_values.StoredValue:
        if stored is None:
            return read(None)
        text = write(stored)
        if wraps:
            return read(json.dumps([text if isinstance(stored, str) else _item(old, stored)]))
        if unwraps:
            raise cell_values.CellError(f"A {old.type} cannot become a {new.type}.")
        return read(text)

    return convert


def _item(old: Column, stored: Any) -> Any:
    text = cell_values.get_serializer(old.type)(stored)
    return text if old.type in {"ENTITYID", "DOUBLE"} else json.loads(text)


def _convert(update: TableUpdate, old: StoredColumn, new: StoredColumn) -> None:
    """Fill the slot of a column with what another column holds.

    Raises:
        BadRequest: a cell cannot become a value of the new column.
        CutOff: the service ends.
        Forbidden: a cell would hold somebody else's file handle.
        NotFound: a cell would hold a file handle that is not there.
    """
    one = get_converter(old.column, new.column)
    refused: list[cell_values.CellError] = []

    def convert(stored: Any) -> cell_values.StoredValue:
        try:
            return one(stored)
        except cell_values.CellError as error:
            refused.append(error)
            return None

    def is_over() -> bool:
        update.run.progress.report(0, 1, "Converting cells")
        return bool(refused)

    update.writer.convert_slot(old.slot, new.slot, convert, is_over)
    if refused:
        raise BadRequest(
            f"The column '{old.column.name}' cannot become '{new.column.name}': a value was not "
            f"a valid {new.column.type}. {refused[0]}"
        )
    if new.column.type is ColumnType.FILEHANDLEID:
        update.use_handles(update.writer.get_distinct_values(new.slot))
