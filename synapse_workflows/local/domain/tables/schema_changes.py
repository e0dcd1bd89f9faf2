"""Schema changes: add, remove, replace and convert columns (TableSchemaChangeRequest)."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from synapse_workflows.constants import MODEL, ColumnType
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.ids import generate_etag, parse_id
from synapse_workflows.local.domain.tables import cell_values, schemas
from synapse_workflows.local.domain.tables.column_layout import StoredColumn, apply_layout
from synapse_workflows.local.domain.tables.column_types import LIST_TYPES, TEXT_TYPES, Column
from synapse_workflows.local.domain.tables.columns import parse_ids
from synapse_workflows.local.domain.tables.table_update import TableUpdate
from synapse_workflows.local.errors import BadRequest

RESULT: Final = f"{MODEL}.table.TableSchemaChangeResponse"


def change_schema(update: TableUpdate, request: Mapping[str, Any]) -> dict[str, Any]:
    """Add, remove and convert columns.

    Returns:
        A TableSchemaChangeResponse.

    Raises:
        BadRequest: A change names a column that the table does not have, the columns are not a
            valid schema, or a cell cannot be converted.
        NotFound: A column does not exist.
    """
    old_ids = [each.column.id for each in update.columns]
    new_ids, replaced, removed = parse_changes(request, old_ids)
    with update.run.service.database.read_transaction() as session:
        schema = schemas.validate(session, new_ids)
    _apply(update, schema, replaced, removed)
    return {"concreteType": RESULT, "schema": [dict(each.body) for each in schema]}


def parse_changes(
    request: Mapping[str, Any], old_ids: Sequence[int]
) -> tuple[list[int], dict[int, int], set[int]]:
    """Parse the changes of a request.

    Returns:
        The column IDs after the changes; a mapping of new to old column ID for each replaced
        column; and the IDs of removed or replaced columns.

    Raises:
        BadRequest: A change removes a column that the table does not have, or adds a
            column that the table already has.
    """
    new_ids, removed = list(old_ids), set[int]()
    replaced: dict[int, int] = {}
    for change in request_fields.get_objects(request, "changes"):
        old, new = (_parse_id(change, key) for key in ("oldColumnId", "newColumnId"))
        if old is not None and old not in new_ids:
            raise BadRequest(f"oldColumnId: the table has no column with ID {old}.")
        if old is None and new in new_ids:  # clients add all default columns of a new view
            continue
        if new is not None and new != old and new in new_ids:
            raise BadRequest(f"newColumnId: the table already has a column with ID {new}.")
        if old is None and new is not None:
            new_ids.append(new)
        elif old is not None and new is None:
            new_ids.remove(old)
            replaced.pop(old, None)
            removed.add(old)
        elif old is not None and new is not None and new != old:
            new_ids[new_ids.index(old)] = new
            replaced[new] = replaced.pop(old, old)
            removed.add(old)
    return _order(request, new_ids), replaced, removed


def _order(request: Mapping[str, Any], new_ids: list[int]) -> list[int]:
    ordered = parse_ids(request, "orderedColumnIds")
    if ordered and sorted(ordered) != sorted(new_ids):
        raise BadRequest("orderedColumnIds must be the columns of the table after the changes.")
    return ordered or new_ids


def _parse_id(change: Mapping[str, Any], key: str) -> int | None:
    return None if change.get(key) is None else parse_id(change[key], key)


def _apply(
    update: TableUpdate, schema: schemas.Schema, replaced: Mapping[int, int], removed: set[int]
) -> None:
    writer, run = update.writer, update.run
    version = writer.create_change_set(generate_etag(), run.service.now(), run.caller.id)
    before = update.columns_by_id()
    by_id = {each.id: each for each in schema}
    kept = {number: each.slot for number, each in before.items() if number not in removed}
    compatible = {
        new: before[old].slot
        for new, old in replaced.items()
        if old in before and _is_compatible(by_id[new], before[old].column)
    }
    layout = apply_layout(writer, version, schema, {**kept, **compatible})
    update.columns = tuple(StoredColumn(by_id[number], slot) for number, slot in layout)
    for each in update.columns:
        old = replaced.get(each.column.id)
        if old in before and each.column.id not in compatible:
            _convert(update, before[old], each)
    update.schema_number = writer.schema_number + 1
    update.is_schema_changed = True
    writer.set_schema_number(update.schema_number)


def _is_compatible(new: Column, old: Column) -> bool:
    """Return whether the new column can keep every stored value of the old column unchanged."""
    return (
        old.type is new.type
        and not new.enum_values
        and (new.maximum_size or 0) >= (old.maximum_size or 0)
        and (new.maximum_length or 0) >= (old.maximum_length or 0)
        and new.default is None
    )


def get_converter(old: Column, new: Column) -> Callable[[Any], cell_values.StoredValue]:
    """Return a function that converts a stored value of column `old` for column `new`.

    The function raises CellError.
    """
    serialize, parse = cell_values.get_serializer(old.type), cell_values.get_cell_parser(new)
    is_wrapped = new.type in LIST_TYPES and old.type not in LIST_TYPES
    is_impossible = (
        old.type in LIST_TYPES and new.type not in LIST_TYPES and new.type not in TEXT_TYPES
    )

    def convert(stored: Any) -> cell_values.StoredValue:
        if stored is None:
            return parse(None)
        text = serialize(stored)
        if is_wrapped:
            return parse(json.dumps([_to_item(old, stored, text)]))
        if is_impossible:
            raise cell_values.CellError(f"A {old.type} cannot be converted to {new.type}.")
        return parse(text)

    return convert


def _to_item(old: Column, stored: Any, text: str) -> Any:
    """Convert a stored scalar value to an item of a JSON array."""
    is_text = isinstance(stored, str) or old.type in {ColumnType.ENTITYID, ColumnType.DOUBLE}
    return text if is_text else json.loads(text)


def _convert(update: TableUpdate, old: StoredColumn, new: StoredColumn) -> None:
    """Fill the slot of a column with the converted cells of another column.

    Raises:
        BadRequest: A cell cannot be converted.
        JobInterrupted: The service stops.
        Forbidden: A cell would hold a file handle of another user.
        NotFound: A cell would hold a file handle that does not exist.
    """
    convert = get_converter(old.column, new.column)
    errors: list[cell_values.CellError] = []

    def convert_or_record(stored: Any) -> cell_values.StoredValue:
        try:
            return convert(stored)
        except cell_values.CellError as error:
            errors.append(error)
            return None

    def should_stop() -> bool:
        update.run.progress.report(0, 1, "Converting cells")
        return bool(errors)

    update.writer.convert_slot(old.slot, new.slot, convert_or_record, should_stop)
    if errors:
        raise BadRequest(
            f"The column '{old.column.name}' cannot be converted to '{new.column.name}': "
            f"a value was not a valid {new.column.type}. {errors[0]}"
        )
    if new.column.type is ColumnType.FILEHANDLEID:
        update.add_file_handles(update.writer.get_distinct_values(new.slot))
