"""Conversion of CSV query results to JSON lines: one JSON object per row."""

import io
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final

from synapse_workflows.client.model.cell_codec import ITEM_TYPES, TEXT_TYPES, create_reader
from synapse_workflows.client.model.columns import get_column_type
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.file_conversion import (
    ConversionError,
    ProgressCallback,
    validate_unique_names,
)
from synapse_workflows.constants import ROW_ID, ROW_VERSION, ColumnType

#: Number of rows between two progress reports.
_REPORT_ROWS: Final = 10_000
_NOT_FINITE: Final = frozenset({"NaN", "Infinity", "-Infinity"})
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
#: Returns the JSON text of a cell that is not null.
_Encoder = Callable[[str], str]


def write_table(table: CsvFileTable, target: IO[bytes], progress: ProgressCallback) -> None:
    """Write the rows of a CSV file as JSON lines, one row at a time.

    Integers, floating-point numbers and booleans are JSON values, null is null. Dates are text in
    ISO 8601 (UTC, milliseconds). NaN and infinity are text, because JSON has no such numbers.
    Lists and JSON objects are nested; other cells are text.

    Args:
        table: The result of a query, with a header.
        target: The stream to write to, in UTF-8.
        progress: Callback for progress.

    Raises:
        ConversionError: A cell does not match the type of its column, or several columns have
            the same name.
    """
    columns = table.columns()
    validate_unique_names(columns, "JSON lines")
    names = [_to_json(str(column.get("name"))) for column in columns]
    encoders = [_create_encoder(column) for column in columns]
    with (
        Path(table.filepath).open("rb") as file,
        io.TextIOWrapper(file, "utf-8-sig", newline="") as text,
    ):
        rows = table.dialect.parse_rows(text)
        next(rows, None)
        position = 0
        for number, row in enumerate(rows, 1):
            try:
                cells = [
                    f"{name}: {'null' if cell is None else encode(cell)}"
                    for name, encode, cell in zip(names, encoders, row, strict=True)
                ]
            except ValueError as error:
                raise ConversionError(
                    f"Cannot convert {table.filepath} to JSON lines, row {number}: {error}"
                ) from error
            target.write(f"{{{', '.join(cells)}}}\n".encode())
            if number % _REPORT_ROWS == 0:
                progress(file.tell() - position)
                position = file.tell()
        progress(file.tell() - position)


def _create_encoder(column: Mapping[str, Any]) -> _Encoder:
    """Return the encoder of the cells of a column."""
    if column.get("name") in (ROW_ID, ROW_VERSION):
        return _to_number
    column_type = get_column_type(column)
    if column_type is None or column_type in TEXT_TYPES:
        return _to_json
    encode = _create_typed_encoder(column_type, column)
    # empty text is a value in text columns only; older services use it for null elsewhere
    return lambda text: encode(text) if text else "null"


def _create_typed_encoder(column_type: ColumnType, column: Mapping[str, Any]) -> _Encoder:
    if column_type in (ColumnType.DATE, ColumnType.DATE_LIST):
        read = create_reader(column)
        return lambda text: _to_json(_format_dates(read(text)))
    if column_type in ITEM_TYPES or column_type is ColumnType.JSON:
        return _to_nested
    return _ENCODERS.get(column_type, _to_json)


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _to_number(text: str) -> str:
    """Return a number with all its digits; NaN and infinity as text."""
    if _NUMBER.fullmatch(text):
        return text
    if text not in _NOT_FINITE:
        raise ValueError(f"{text!r} is not a number")
    return _to_json(text)


def _to_boolean(text: str) -> str:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{text!r} is not a boolean")
    return text.lower()


def _to_nested(text: str) -> str:
    """Return the list or object in a cell on one line; another JSON value as text."""
    if not text.lstrip().startswith(("[", "{")):
        return _to_json(text)
    return text if "\n" not in text and "\r" not in text else _to_json(json.loads(text))


def _format_dates(value: Any) -> Any:
    """Return dates in ISO 8601; milliseconds outside the years 1 to 9999 stay numbers."""
    if isinstance(value, list):
        return [_format_dates(item) for item in value]
    if not isinstance(value, datetime):
        return value
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_ENCODERS: Final[Mapping[ColumnType, _Encoder]] = MappingProxyType(
    {
        ColumnType.INTEGER: _to_number,
        ColumnType.DOUBLE: _to_number,
        ColumnType.BOOLEAN: _to_boolean,
    }
)
