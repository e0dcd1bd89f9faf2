"""Conversion of CSV query results to Parquet files with typed columns."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from synapse_workflows.client.model import arrow_csv
from synapse_workflows.client.model.cell_codec import ITEM_TYPES
from synapse_workflows.client.model.columns import get_column_type
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.file_conversion import (
    ConversionError,
    ProgressCallback,
    validate_unique_names,
)
from synapse_workflows.constants import ROW_ID, ROW_VERSION, ColumnType, MiB

#: CSV characters per block; a row with more characters is a block of its own.
_BLOCK_CHARACTERS: Final = MiB
#: Key of the Synapse column type in the metadata of a Parquet field.
COLUMN_TYPE: Final = b"synapse.columnType"
_INSTALL_HINT: Final = (
    "Writing Parquet files requires pyarrow, which is not installed: "
    "pip install 'synapse-workflows[parquet]'"
)
#: Column type -> name of the pyarrow type; other columns are strings.
_ARROW_TYPES: Final[Mapping[ColumnType, str]] = MappingProxyType(
    {
        ColumnType.INTEGER: "int64",
        ColumnType.DOUBLE: "float64",
        ColumnType.BOOLEAN: "bool_",
    }
)


def require_pyarrow() -> None:
    """Check that pyarrow is installed.

    Raises:
        ImportError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: F401
    except ImportError as missing:
        raise ImportError(_INSTALL_HINT) from missing


def get_writer_version() -> str:
    """Return name and version of pyarrow; the bytes of a Parquet file depend on the version."""
    import pyarrow as pa

    return f"pyarrow {pa.__version__}"


def write_table(table: CsvFileTable, target: Path, progress: ProgressCallback) -> int:
    """Convert the rows of a CSV file to a Parquet file, a few megabytes at a time.

    The same rows and the same version of pyarrow produce the same bytes.

    Args:
        table: The result of a query, with a header.
        target: Path of the file to write.
        progress: Callback for progress.

    Returns:
        The number of rows.

    Raises:
        ImportError: pyarrow is not installed.
        ConversionError: A cell does not match the type of its column, or several
            columns have the same name.
    """
    require_pyarrow()
    import pyarrow as pa
    from pyarrow import parquet

    columns = table.columns()
    validate_unique_names(columns, "Parquet")
    schema = pa.schema([_create_field(column) for column in columns])
    rows = 0
    with parquet.ParquetWriter(target, schema) as parquet_writer:
        for block in _iter_blocks(table, progress):
            try:
                parsed = _parse_block(block, table, columns)
            except pa.ArrowInvalid as invalid:
                raise ConversionError(
                    f"Cannot convert {table.filepath} to Parquet, after row {rows}: {invalid}"
                ) from invalid
            arrays = [
                _convert_array(array, column, field.type)
                for array, column, field in zip(parsed.columns, columns, schema, strict=True)
            ]
            parquet_writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows += parsed.num_rows
    return rows


def _iter_blocks(table: CsvFileTable, progress: ProgressCallback) -> Iterator[bytes]:
    """Iterate over blocks of whole rows, without the header."""
    with Path(table.filepath).open(encoding="utf-8-sig", newline="") as file:
        records = table.dialect.iter_records(file)
        if table.header:
            progress(len(next(records, "").encode()) + 1)
        for block in _join_records(records):
            content = block.encode()
            progress(len(content))
            yield content


def _join_records(records: Iterable[str]) -> Iterator[str]:
    pending: list[str] = []
    size = 0
    for record in records:
        pending.append(record)
        size += len(record) + 1
        if size >= _BLOCK_CHARACTERS:
            yield "\n".join([*pending, ""])
            pending, size = [], 0
    if pending:
        yield "\n".join([*pending, ""])


def _parse_block(block: bytes, table: CsvFileTable, columns: Sequence[Mapping[str, Any]]) -> Any:
    """Parse rows; an empty unquoted cell is null, as in CSV files of Synapse."""
    from pyarrow import csv

    names = [
        str(index) for index in range(len(columns))
    ]  # placeholders; not column names of the table
    return csv.read_csv(
        io.BytesIO(block),
        csv.ReadOptions(column_names=names, block_size=len(block) + 1, use_threads=False),
        arrow_csv.create_parse_options(table.dialect, ignore_empty_lines=len(columns) > 1),
        arrow_csv.create_convert_options(
            {name: _get_parse_type(column) for name, column in zip(names, columns, strict=True)},
            true_values=["true", "True", "TRUE"],
            false_values=["false", "False", "FALSE"],
        ),
    )


def _get_column_type(column: Mapping[str, Any]) -> ColumnType | None:
    name = column.get("name")
    return ColumnType.INTEGER if name in (ROW_ID, ROW_VERSION) else get_column_type(column)


def _create_field(column: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    column_type = _get_column_type(column)
    metadata = None if column_type is None else {COLUMN_TYPE: str(column_type).encode()}
    return pa.field(str(column.get("name")), _get_arrow_type(column_type), metadata=metadata)


def _get_arrow_type(column_type: ColumnType | None) -> Any:
    """Return the pyarrow type of a column type."""
    import pyarrow as pa

    if column_type is None:
        return pa.string()
    if column_type in ITEM_TYPES:
        return pa.list_(_get_arrow_type(ITEM_TYPES[column_type]))
    if column_type is ColumnType.DATE:
        return pa.timestamp("ms", "UTC")
    return getattr(pa, _ARROW_TYPES.get(column_type, "string"))()


def _get_parse_type(column: Mapping[str, Any]) -> Any:
    """Return the pyarrow type used to parse the cells of a column."""
    import pyarrow as pa

    column_type = _get_column_type(column)
    if column_type is ColumnType.DATE:
        return pa.int64()
    return pa.string() if column_type in ITEM_TYPES else _get_arrow_type(column_type)


def _convert_array(array: Any, column: Mapping[str, Any], target_type: Any) -> Any:
    """Convert parsed cells to the type of the Parquet column."""
    import pyarrow as pa

    column_type = _get_column_type(column)
    if column_type is ColumnType.DATE:
        return array.cast(target_type)
    if column_type not in ITEM_TYPES:
        return array
    convert = str if target_type.value_type == pa.string() else _identity
    lists = (None if text is None else json.loads(text) for text in array.to_pylist())
    converted = [
        None if items is None else [None if item is None else convert(item) for item in items]
        for items in lists
    ]
    return pa.array(converted, target_type)


def _identity(value: Any) -> Any:
    return value
