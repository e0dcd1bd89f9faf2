"""Rows that come in the request itself: AppendableRowSetRequest, of RowSet or PartialRowSet."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.ids import decimal, entity_text
from synapse_workflows.local.domain.tables import cell_values
from synapse_workflows.local.domain.tables.column_layout import StoredColumn
from synapse_workflows.local.domain.tables.row_changes import RowChangeSet
from synapse_workflows.local.domain.tables.table_update import TableUpdate
from synapse_workflows.local.errors import BadRequest

ROW_SET: Final = f"{MODEL}.table.RowSet"
PARTIAL_ROW_SET: Final = f"{MODEL}.table.PartialRowSet"
RESULT: Final = f"{MODEL}.table.RowReferenceSetResults"


def append_rows(update: TableUpdate, request: Mapping[str, Any]) -> dict[str, Any]:
    """Put rows in, change and delete rows.

    Returns:
        RowReferenceSetResults: the rows in the order of the request, with their new version.

    Raises:
        BadRequest: a column, a row or a value is not what it should be.
        ServiceError: 412, somebody changed one of the rows.
    """
    update.require_columns()
    rows = request_fields.mapping(request, "toAppend")
    if rows is None:
        raise BadRequest("AppendableRowSetRequest.toAppend is required.")
    change = RowChangeSet(update)
    kind = request_fields.one_of(
        (ROW_SET, PARTIAL_ROW_SET), rows.get("concreteType"), "concreteType"
    )
    apply = _row_set if kind == ROW_SET else _partial_row_set
    used, row_ids = apply(update, change, rows)
    change.close()
    return {
        "concreteType": RESULT,
        "rowReferenceSet": {
            "tableId": entity_text(update.entity_id),
            "etag": change.etag,
            "headers": [serialize_select_column(each) for each in used],
            "rows": [{"rowId": each, "versionNumber": change.version} for each in row_ids],
        },
    }


def serialize_select_column(bound: StoredColumn) -> dict[str, Any]:
    """Write a column of a table as a SelectColumn."""
    column = bound.column
    return {"name": column.name, "columnType": column.type, "id": str(column.id)}


def to_cell_text(cell: Any) -> str | None:
    """Take a cell of a JSON request as text; null stays null."""
    if cell is None or isinstance(cell, str):
        return cell
    return json.dumps(cell, ensure_ascii=False)


class RowParser:
    """Reads the cells of a table's columns."""

    def __init__(self, bound: Sequence[StoredColumn]) -> None:
        self._parsers = {each.slot: cell_values.get_cell_parser(each.column) for each in bound}

    def row(
        self, bound: Sequence[StoredColumn], cells: Sequence[str | None], number: int
    ) -> list[cell_values.StoredValue]:
        """Read the cells of a row.

        Args:
            bound: their columns.
            cells: texts, as many.
            number: of the row, for the error.

        Raises:
            BadRequest: a text is no value of its column.
        """
        found = []
        for index, (each, cell) in enumerate(zip(bound, cells, strict=True)):
            try:
                found.append(self._parsers[each.slot](cell))
            except cell_values.CellError as error:
                raise BadRequest(
                    f"Value at [{number},{index}] was not a valid {each.column.type}. {error}"
                ) from None
        return found


def _objects(body: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = request_fields.items(body, key) or []
    if not all(isinstance(each, dict) for each in found):
        raise BadRequest(f"{key} must be an array of objects.")
    return found


def _headers(update: TableUpdate, rows: Mapping[str, Any]) -> list[StoredColumn]:
    by_id = update.bound_by_id()
    by_name = {each.column.name: each for each in update.bound}
    used = []
    for header in _objects(rows, "headers"):
        if header.get("id") is None:
            found = by_name.get(request_fields.required(header, "name"))
        else:
            found = by_id.get(decimal(header["id"], "headers.id"))
        if found is None:
            said = ", ".join(str(header[key]) for key in ("name", "id") if header.get(key))
            raise BadRequest(
                f"The header '{said}' does not match a column of {entity_text(update.entity_id)}."
            )
        used.append(found)
    if not used or len({each.slot for each in used}) < len(used):
        raise BadRequest("RowSet.headers must name columns of the table, each once.")
    return used


def _row_set(
    update: TableUpdate, change: RowChangeSet, rows: Mapping[str, Any]
) -> tuple[list[StoredColumn], list[int]]:
    used = _headers(update, rows)
    change.read_at_etag(request_fields.text(rows, "etag"))
    parsers = RowParser(used)
    found = [_row(parsers, used, number, row) for number, row in enumerate(_objects(rows, "rows"))]
    if not found:
        raise BadRequest("RowSet.rows must contain at least one row.")
    row_ids: list[int] = []
    for kind, group in groupby(found, key=_kind_of):
        some = list(group)
        if kind == "insert":
            row_ids += change.insert(used, [cells or [] for _, _, cells in some])
            continue
        if kind == "delete":
            change.delete([(row_id or 0, version) for row_id, version, _ in some])
        else:
            change.change(used, [(i or 0, version, cells or []) for i, version, cells in some])
        row_ids += [row_id or 0 for row_id, _, _ in some]
    return used, row_ids


_Row = tuple[int | None, int | None, list[cell_values.StoredValue] | None]


def _row(
    parsers: RowParser, used: Sequence[StoredColumn], number: int, row: Mapping[str, Any]
) -> _Row:
    row_id, version = (
        request_fields.integer(row, "rowId"),
        request_fields.integer(row, "versionNumber"),
    )
    cells = request_fields.items(row, "values")
    if row_id is not None and version is None:
        raise BadRequest("Row version number cannot be null")
    if row_id is not None and not cells:
        return row_id, version, None
    if cells is None or len(cells) != len(used):
        raise BadRequest(
            f"Row.values must have one value for each of the {len(used)} headers; "
            f"row {number} has {len(cells or [])}."
        )
    return row_id, version, parsers.row(used, [to_cell_text(cell) for cell in cells], number)


def _kind_of(row: _Row) -> str:
    if row[0] is None:
        return "insert"
    return "delete" if row[2] is None else "update"


def _partial_row_set(
    update: TableUpdate, change: RowChangeSet, rows: Mapping[str, Any]
) -> tuple[list[StoredColumn], list[int]]:
    parsers = RowParser(update.bound)
    found = [
        _partial_row(parsers, update, number, row)
        for number, row in enumerate(_objects(rows, "rows"))
    ]
    if not found:
        raise BadRequest("PartialRowSet.rows must contain at least one row.")
    row_ids: list[int] = []
    for (inserts, _), group in groupby(found, key=lambda row: (row[0] is None, row[1])):
        some = list(group)
        used = some[0][1]
        if inserts:
            row_ids += change.insert(used, [cells for _, _, cells in some])
        else:
            edits = [(row_id or 0, None, cells) for row_id, _, cells in some]
            change.change(used, edits, partial=True)
            row_ids += [row_id for row_id, _, _ in edits]
    named = {each.slot for _, used, _ in found for each in used}
    return [each for each in update.bound if each.slot in named], row_ids


def _partial_row(
    parsers: RowParser, update: TableUpdate, number: int, row: Mapping[str, Any]
) -> tuple[int | None, tuple[StoredColumn, ...], list[cell_values.StoredValue]]:
    by_id = update.bound_by_id()
    cells: dict[int, str | None] = {}
    for pair in _objects(row, "values"):
        column_id = decimal(pair.get("key"), "values.key")
        if column_id not in by_id:
            raise BadRequest(f"The column {column_id} is none of {entity_text(update.entity_id)}.")
        cells[column_id] = to_cell_text(pair.get("value"))
    used = tuple(by_id[each] for each in cells)
    if not used:
        raise BadRequest(f"PartialRow.values must not be empty; that of row {number} is.")
    return (
        request_fields.integer(row, "rowId"),
        used,
        parsers.row(used, list(cells.values()), number),
    )
