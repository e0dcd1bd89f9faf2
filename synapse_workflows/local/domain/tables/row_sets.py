"""Changes of rows in a request body: AppendableRowSetRequest with RowSet or PartialRowSet."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.ids import format_entity_id, parse_id
from synapse_workflows.local.domain.tables import cell_values
from synapse_workflows.local.domain.tables.column_layout import StoredColumn
from synapse_workflows.local.domain.tables.row_changes import RowChangeSet
from synapse_workflows.local.domain.tables.table_update import TableUpdate
from synapse_workflows.local.errors import BadRequest

ROW_SET: Final = f"{MODEL}.table.RowSet"
PARTIAL_ROW_SET: Final = f"{MODEL}.table.PartialRowSet"
RESULT: Final = f"{MODEL}.table.RowReferenceSetResults"


def append_rows(update: TableUpdate, request: Mapping[str, Any]) -> dict[str, Any]:
    """Insert, update and delete rows (AppendableRowSetRequest).

    Returns:
        A RowReferenceSetResults with the rows in the order of the request and their new version.

    Raises:
        BadRequest: A column, row or value is invalid.
        PreconditionFailed: A row was changed after the caller read it.
    """
    update.require_columns()
    row_set = request_fields.get_object(request, "toAppend")
    if row_set is None:
        raise BadRequest("AppendableRowSetRequest.toAppend is required.")
    kind = request_fields.parse_choice(
        (ROW_SET, PARTIAL_ROW_SET), row_set.get("concreteType"), "concreteType"
    )
    if kind == PARTIAL_ROW_SET and not request_fields.get_objects(row_set, "rows"):
        return _build_result(update, _get_etag(update), (), ())
    changes = RowChangeSet(update)
    apply = _apply_row_set if kind == ROW_SET else _apply_partial_row_set
    columns, row_ids = apply(update, changes, row_set)
    changes.check_conflicts()
    rows = [{"rowId": each, "versionNumber": changes.version} for each in row_ids]
    return _build_result(update, changes.etag, columns, rows)


def _build_result(
    update: TableUpdate,
    etag: str | None,
    columns: Sequence[StoredColumn],
    rows: Sequence[Mapping[str, int]],
) -> dict[str, Any]:
    return {
        "concreteType": RESULT,
        "rowReferenceSet": {
            "tableId": format_entity_id(update.entity_id),
            "etag": etag,
            "headers": [serialize_select_column(each) for each in columns],
            "rows": list(rows),
        },
    }


def _get_etag(update: TableUpdate) -> str | None:
    last = update.writer.get_last_change()
    return None if last is None else last.etag


def serialize_select_column(stored: StoredColumn) -> dict[str, Any]:
    """Return a column of a table as a SelectColumn."""
    column = stored.column
    return {"name": column.name, "columnType": column.type, "id": str(column.id)}


def to_cell_text(cell: Any) -> str | None:
    """Convert a cell of a JSON request body to text; return None for null."""
    if cell is None or isinstance(cell, str):
        return cell
    return json.dumps(cell, ensure_ascii=False)


class RowParser:
    """Parser for rows of a table."""

    def __init__(self, columns: Sequence[StoredColumn]) -> None:
        self._parsers = {each.slot: cell_values.get_cell_parser(each.column) for each in columns}

    def parse(
        self, columns: Sequence[StoredColumn], cells: Sequence[str | None], number: int
    ) -> list[cell_values.StoredValue]:
        """Return the values of a row.

        Args:
            columns: The columns of the cells.
            cells: The text of the cell for each of the columns.
            number: Index of the row, for error messages.

        Raises:
            BadRequest: A text is not a valid value for its column.
        """
        values = []
        for index, (each, cell) in enumerate(zip(columns, cells, strict=True)):
            try:
                values.append(self._parsers[each.slot](cell))
            except cell_values.CellError as error:
                raise BadRequest(
                    f"Value at [{number},{index}] was not a valid {each.column.type}. {error}"
                ) from None
        return values


def _parse_headers(update: TableUpdate, row_set: Mapping[str, Any]) -> list[StoredColumn]:
    by_id = update.columns_by_id()
    by_name = {each.column.name: each for each in update.columns}
    columns = []
    for header in request_fields.get_objects(row_set, "headers"):
        if header.get("id") is None:
            column = by_name.get(request_fields.get_required_text(header, "name"))
        else:
            column = by_id.get(parse_id(header["id"], "headers.id"))
        if column is None:
            name = ", ".join(str(header[key]) for key in ("name", "id") if header.get(key))
            raise BadRequest(
                f"The header '{name}' does not match a column of "
                f"{format_entity_id(update.entity_id)}."
            )
        columns.append(column)
    if not columns or len({each.slot for each in columns}) < len(columns):
        raise BadRequest("RowSet.headers must name columns of the table, each once.")
    return columns


def _apply_row_set(
    update: TableUpdate, changes: RowChangeSet, row_set: Mapping[str, Any]
) -> tuple[list[StoredColumn], list[int]]:
    columns = _parse_headers(update, row_set)
    changes.set_read_etag(request_fields.get_text(row_set, "etag"))
    parser = RowParser(columns)
    rows = [
        _parse_row(parser, columns, number, row)
        for number, row in enumerate(request_fields.get_objects(row_set, "rows"))
    ]
    if not rows:
        raise BadRequest("RowSet.rows must contain at least one row.")
    row_ids: list[int] = []
    for action, group in groupby(rows, key=_get_action):
        batch = list(group)
        if action == "insert":
            row_ids += changes.insert(columns, _transpose(cells or [] for _, _, cells in batch))
            continue
        if action == "delete":
            changes.delete([(row_id or 0, version) for row_id, version, _ in batch])
        else:
            changes.update(
                columns, [(i or 0, version, cells or []) for i, version, cells in batch]
            )
        row_ids += [row_id or 0 for row_id, _, _ in batch]
    return columns, row_ids


#: Row ID (None to insert), version, and values (None to delete).
_Row = tuple[int | None, int | None, list[cell_values.StoredValue] | None]


def _parse_row(
    parser: RowParser, columns: Sequence[StoredColumn], number: int, row: Mapping[str, Any]
) -> _Row:
    row_id = request_fields.get_integer(row, "rowId")
    version = request_fields.get_integer(row, "versionNumber")
    cells = request_fields.get_list(row, "values")
    if row_id is not None and version is None:
        raise BadRequest("Row version number cannot be null")
    if row_id is not None and not cells:
        return row_id, version, None
    if cells is None or len(cells) != len(columns):
        raise BadRequest(
            f"Row.values must have one value for each of the {len(columns)} headers; "
            f"row {number} has {len(cells or [])}."
        )
    return row_id, version, parser.parse(columns, [to_cell_text(cell) for cell in cells], number)


def _transpose(
    rows: Iterable[Sequence[cell_values.StoredValue]],
) -> list[Sequence[cell_values.StoredValue]]:
    """Return the values of rows, column by column."""
    return list(zip(*rows, strict=True))


def _get_action(row: _Row) -> str:
    if row[0] is None:
        return "insert"
    return "delete" if row[2] is None else "update"


def _apply_partial_row_set(
    update: TableUpdate, changes: RowChangeSet, row_set: Mapping[str, Any]
) -> tuple[list[StoredColumn], list[int]]:
    parser = RowParser(update.columns)
    rows = [
        _parse_partial_row(parser, update, number, row)
        for number, row in enumerate(request_fields.get_objects(row_set, "rows"))
    ]
    row_ids: list[int] = []
    for (is_insert, columns), group in groupby(rows, key=lambda row: (row[0] is None, row[1])):
        batch = list(group)
        if is_insert:
            row_ids += changes.insert(columns, _transpose(cells for _, _, cells in batch))
        else:
            updates = [(row_id or 0, None, cells) for row_id, _, cells in batch]
            changes.update(columns, updates, partial=True)
            row_ids += [row_id for row_id, _, _ in updates]
    slots = {each.slot for _, columns, _ in rows for each in columns}
    return [each for each in update.columns if each.slot in slots], row_ids


def _parse_partial_row(
    parser: RowParser, update: TableUpdate, number: int, row: Mapping[str, Any]
) -> tuple[int | None, tuple[StoredColumn, ...], list[cell_values.StoredValue]]:
    by_id = update.columns_by_id()
    cells: dict[int, str | None] = {}
    for pair in request_fields.get_objects(row, "values"):
        column_id = parse_id(pair.get("key"), "values.key")
        if column_id not in by_id:
            raise BadRequest(
                f"{format_entity_id(update.entity_id)} has no column with ID {column_id}."
            )
        cells[column_id] = to_cell_text(pair.get("value"))
    columns = tuple(by_id[each] for each in cells)
    if not columns:
        raise BadRequest(f"PartialRow.values must not be empty; row {number} has no values.")
    row_id = request_fields.get_integer(row, "rowId")
    return row_id, columns, parser.parse(columns, list(cells.values()), number)
