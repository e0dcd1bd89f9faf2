"""Parsers of row updates of views, from row sets and CSV files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_METADATA
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.domain.tables import csv_import
from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.domain.tables.columns import parse_ids
from synapse_workflows.local.domain.tables.csv_dialect import CsvRecord
from synapse_workflows.local.domain.tables.row_sets import PARTIAL_ROW_SET, ROW_SET, to_cell_text
from synapse_workflows.local.domain.tables.schemas import Schema
from synapse_workflows.local.errors import BadRequest

#: Number of rows between two progress reports.
_REPORT_INTERVAL: Final = 500


@dataclass(frozen=True)
class RowUpdate:
    """New cells of one row.

    Args:
        row_id: Number of the object that the row shows.
        etag: Etag of the row when it was read.
        cells: Column and text of each cell, by column name. The text None stands for null.
    """

    row_id: int
    etag: str | None
    cells: Mapping[str, tuple[Column, str | None]] = field(repr=False)


def _build_update(
    row_id: int | None, etag: str | None, cells: Sequence[tuple[Column, str | None]]
) -> RowUpdate:
    """Create an update. If the row has no etag, use the cell of the column `etag`.

    Raises:
        BadRequest: The update adds or deletes a row.
    """
    if row_id is None:
        raise BadRequest("A row has no ID: rows cannot be added to a view.")
    if not cells:
        raise BadRequest(f"Row {row_id} has no values: rows cannot be deleted from a view.")
    by_name = {column.name: (column, cell) for column, cell in cells}
    etag_cell = by_name.get("etag")
    return RowUpdate(row_id, etag or (None if etag_cell is None else etag_cell[1]), by_name)


def parse_row_set(request: Mapping[str, Any], schema: Schema) -> list[RowUpdate]:
    """Parse an AppendableRowSetRequest.

    Raises:
        BadRequest: A row or header is invalid, or a row is added or deleted.
    """
    row_set = request_fields.get_object(request, "toAppend")
    if row_set is None:
        raise BadRequest("AppendableRowSetRequest.toAppend is required.")
    concrete_type = request_fields.parse_choice(
        (ROW_SET, PARTIAL_ROW_SET), row_set.get("concreteType"), "concreteType"
    )
    rows = _get_objects(row_set, "rows")
    if not rows and concrete_type == ROW_SET:
        raise BadRequest("toAppend.rows must contain at least one row.")
    if concrete_type == PARTIAL_ROW_SET:
        return [_parse_partial_row(row, schema) for row in rows]
    headers = [_parse_header(each, schema) for each in _get_objects(row_set, "headers")]
    return [_parse_row(row, headers) for row in rows]


def _get_objects(body: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    items = request_fields.get_list(body, key) or []
    if not all(isinstance(each, dict) for each in items):
        raise BadRequest(f"{key} must be an array of objects.")
    return items


def _get_column(schema: Schema, column_id: int) -> Column:
    for column in schema:
        if column.id == column_id:
            return column
    raise BadRequest(f"The view has no column with ID {column_id}.")


def _parse_header(header: Mapping[str, Any], schema: Schema) -> Column:
    if header.get("id") is not None:
        return _get_column(schema, parse_id(header["id"], "headers.id"))
    name = request_fields.get_required_text(header, "name")
    for column in schema:
        if column.name == name:
            return column
    raise BadRequest(f"The view has no column '{name}'.")


def _parse_row(row: Mapping[str, Any], headers: Sequence[Column]) -> RowUpdate:
    values = [to_cell_text(cell) for cell in request_fields.get_list(row, "values") or []]
    if values and len(values) != len(headers):
        raise BadRequest(
            f"A row has {len(values)} values; expected one for each of {len(headers)} headers."
        )
    cells = list(zip(headers, values, strict=False))
    return _build_update(
        request_fields.get_integer(row, "rowId"), request_fields.get_text(row, "etag"), cells
    )


def _parse_partial_row(row: Mapping[str, Any], schema: Schema) -> RowUpdate:
    cells = [
        (
            _get_column(schema, parse_id(pair.get("key"), "values.key")),
            to_cell_text(pair.get("value")),
        )
        for pair in _get_objects(row, "values")
    ]
    return _build_update(
        request_fields.get_integer(row, "rowId"), request_fields.get_text(row, "etag"), cells
    )


def iter_csv(run: JobRun, request: Mapping[str, Any], schema: Schema) -> Iterator[RowUpdate]:
    """Parse the CSV file of an UploadToTableRequest record by record.

    Raises:
        BadRequest: The CSV is invalid, or a row is added or deleted.
        Forbidden: The file handle belongs to another user.
        JobInterrupted: The service is stopping.
        NotFound: The file handle does not exist.
    """
    with csv_import.open_csv(run, request) as csv:
        records = csv.records()
        names = _get_field_names(request, schema, records, has_header=csv.dialect.has_header)
        for count, record in enumerate(records):
            if count % _REPORT_INTERVAL == 0:
                run.progress.report(csv.stream.bytes_read, csv.size, f"Updated {count} rows")
            yield _parse_record(names, schema, record)


def _get_field_names(
    request: Mapping[str, Any], schema: Schema, records: Iterator[CsvRecord], *, has_header: bool
) -> list[str]:
    """Return the names of the CSV's fields, from its header or in the order of the columns."""
    header = next(records, None) if has_header else None
    if has_header and header is None:
        raise BadRequest("The CSV is empty.")
    if request.get("columnIds"):
        return [_get_column(schema, number).name for number in parse_ids(request, "columnIds")]
    expected = [*ROW_METADATA, *(each.name for each in schema)]
    if header is None:
        return expected
    names = [(name or "").strip() for name in header]
    names = [name.upper() if name.upper() in ROW_METADATA else name for name in names]
    for name in names:
        if name not in expected:
            raise csv_import.build_header_error(name, names)
        if names.count(name) > 1:
            raise BadRequest(f"The CSV has more than one column '{name}'.")
    return names


def _parse_record(names: Sequence[str], schema: Schema, record: CsvRecord) -> RowUpdate:
    if len(record) > len(names):
        raise BadRequest(f"A line has {len(record)} fields; expected at most {len(names)}.")
    fields = dict(zip(names, record, strict=False))
    row_id = fields.get(ROW_ID)
    cells = [(each, fields[each.name]) for each in schema if each.name in fields]
    number = None if row_id is None else parse_id(row_id, ROW_ID)
    return _build_update(number, fields.get(ROW_ETAG), cells)
