"""What a request wants of the rows of a view, from row sets and from CSV files."""

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

_REPORT_INTERVAL: Final = 500
_ONLY_UPDATES: Final = "The rows of a view can be updated, but neither added nor deleted"


@dataclass(frozen=True)
class RowUpdate:
    """New values for one row.

    Args:
        row_id: number of the entity.
        etag: with which it was read.
        cells: texts by column; None for null.
    """

    row_id: int
    etag: str | None
    cells: Mapping[str, tuple[Column, str | None]] = field(repr=False)


def _build_update(
    row_id: int | None, etag: str | None, cells: Sequence[tuple[Column, str | None]]
) -> RowUpdate:
    """Make an edit; the etag may stand in a column of that name.

    Raises:
        BadRequest: the row would be added or deleted.
    """
    if row_id is None or not cells:
        what = "a row has no id" if row_id is None else f"row {row_id} has no values"
        raise BadRequest(f"{_ONLY_UPDATES}; {what}.")
    by_name = {column.name: (column, cell) for column, cell in cells}
    shown = by_name.get("etag")
    return RowUpdate(row_id, etag or (None if shown is None else shown[1]), by_name)


def parse_row_set(request: Mapping[str, Any], schema: Schema) -> list[RowUpdate]:
    """Read an AppendableRowSetRequest.

    Raises:
        BadRequest: a row is no row of the view, or would be added or deleted.
    """
    given = request_fields.get_object(request, "toAppend")
    if given is None:
        raise BadRequest("AppendableRowSetRequest.toAppend is required.")
    kind = request_fields.parse_choice(
        (ROW_SET, PARTIAL_ROW_SET), given.get("concreteType"), "concreteType"
    )
    rows = _get_objects(given, "rows")
    if not rows:
        raise BadRequest("toAppend.rows must contain at least one row.")
    if kind == PARTIAL_ROW_SET:
        return [_parse_partial_row(row, schema) for row in rows]
    headers = [_parse_header(each, schema) for each in _get_objects(given, "headers")]
    return [_parse_row(row, headers) for row in rows]


def _get_objects(body: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = request_fields.get_list(body, key) or []
    if not all(isinstance(each, dict) for each in found):
        raise BadRequest(f"{key} must be an array of objects.")
    return found


def _get_column(schema: Schema, column_id: int) -> Column:
    for column in schema:
        if column.id == column_id:
            return column
    raise BadRequest(f"The column {column_id} is none of this view.")


def _parse_header(header: Mapping[str, Any], schema: Schema) -> Column:
    if header.get("id") is not None:
        return _get_column(schema, parse_id(header["id"], "headers.id"))
    name = request_fields.get_required_text(header, "name")
    for column in schema:
        if column.name == name:
            return column
    raise BadRequest(f"The column '{name}' is none of this view.")


def _parse_row(row: Mapping[str, Any], headers: Sequence[Column]) -> RowUpdate:
    cells = [to_cell_text(cell) for cell in request_fields.get_list(row, "values") or []]
    if cells and len(cells) != len(headers):
        raise BadRequest(f"Row.values must have one value for each of {len(headers)} headers.")
    pairs = list(zip(headers, cells, strict=False))
    return _build_update(
        request_fields.get_integer(row, "rowId"), request_fields.get_text(row, "etag"), pairs
    )


def _parse_partial_row(row: Mapping[str, Any], schema: Schema) -> RowUpdate:
    pairs = [
        (
            _get_column(schema, parse_id(pair.get("key"), "values.key")),
            to_cell_text(pair.get("value")),
        )
        for pair in _get_objects(row, "values")
    ]
    return _build_update(
        request_fields.get_integer(row, "rowId"), request_fields.get_text(row, "etag"), pairs
    )


def iter_csv(run: JobRun, request: Mapping[str, Any], schema: Schema) -> Iterator[RowUpdate]:
    """Read the file of an UploadToTableRequest, line by line.

    Raises:
        BadRequest: it is no CSV of the view, or a row would be added or deleted.
        JobInterrupted: the service ends.
        Forbidden: the file handle is somebody else's.
        NotFound: there is no such file handle.
    """
    with csv_import.open_csv(run, request) as csv:
        rows = csv.records()
        names = _get_field_names(request, schema, rows, has_header=csv.dialect.has_header)
        for count, row in enumerate(rows):
            if count % _REPORT_INTERVAL == 0:
                run.progress.report(csv.stream.bytes_read, csv.size, f"Updated {count} rows")
            yield _parse_record(names, schema, row)


def _get_field_names(
    request: Mapping[str, Any], schema: Schema, rows: Iterator[CsvRecord], *, has_header: bool
) -> list[str]:
    """Name the fields of a CSV, by its header or in the order of the columns."""
    first = next(rows, None) if has_header else None
    if has_header and first is None:
        raise BadRequest("The CSV is empty.")
    if request.get("columnIds"):
        return [_get_column(schema, number).name for number in parse_ids(request, "columnIds")]
    if first is None:
        return [*ROW_METADATA, *(each.name for each in schema)]
    names = [(name or "").strip() for name in first]
    names = [name.upper() if name.upper() in ROW_METADATA else name for name in names]
    known = {*ROW_METADATA, *(each.name for each in schema)}
    for name in names:
        if name not in known or names.count(name) > 1:
            raise BadRequest(f"The CSV's column '{name}' is not, or not once, one of the view.")
    return names


def _parse_record(names: Sequence[str], schema: Schema, row: CsvRecord) -> RowUpdate:
    if len(row) > len(names):
        raise BadRequest(f"A line has {len(row)} fields, and there are {len(names)} columns.")
    given = dict(zip(names, row, strict=False))
    row_id = given.get(ROW_ID)
    cells = [(each, given[each.name]) for each in schema if each.name in given]
    number = None if row_id is None else parse_id(row_id, ROW_ID)
    return _build_update(number, given.get(ROW_ETAG), cells)
