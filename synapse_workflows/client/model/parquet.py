"""CSV files of tables as Parquet files, in which every column keeps its type."""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from synapse_workflows.client.model.cell_codec import ITEM_TYPES
from synapse_workflows.client.model.columns import get_column_type
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.constants import ROW_ID, ROW_VERSION, ColumnType, MiB

#: Characters of CSV that are read at once, or one row where that is longer.
_BLOCK_CHARACTERS: Final = MiB
#: Key of what a column is in Synapse, in the metadata of its field.
COLUMN_TYPE: Final = b"synapse.columnType"
_INSTALL_HINT: Final = (
    "Parquet files are written with pyarrow, which is not installed here: "
    "pip install 'synapse-workflows[parquet]'"
)
#: Type of a column -> name of the type in Parquet; all others are text.
_ARROW_TYPES: Final[Mapping[ColumnType, str]] = MappingProxyType(
    {
        ColumnType.INTEGER: "int64",
        ColumnType.DOUBLE: "float64",
        ColumnType.BOOLEAN: "bool_",
    }
)


class ParquetConversionError(ValueError):
    """Rows cannot be written as Parquet; says why."""


#: Hears how many bytes of CSV were read since it was told last.
ProgressCallback = Callable[[int], object]


def require_pyarrow() -> None:
    """Check that Parquet files can be written.

    Raises:
        ImportError: pyarrow is not installed; the message says how to get it.
    """
    try:
        import pyarrow as pa  # noqa: F401
    except ImportError as missing:
        raise ImportError(_INSTALL_HINT) from missing


def get_writer_version() -> str:
    """Name what writes the files: another release of it may write other bytes for the same."""
    import pyarrow as pa

    return f"pyarrow {pa.__version__}"


def count_rows(path: Path) -> int:
    """Tell how many rows a Parquet file has."""
    from pyarrow import parquet

    return int(parquet.read_metadata(path).num_rows)


def write_table(table: CsvFileTable, target: Path, told: ProgressCallback) -> int:
    """Write the rows of a CSV file into a Parquet file, some megabytes at a time.

    The same rows give the same bytes, as long as pyarrow is the same.

    Args:
        table: What a query answered, with a header.
        target: The file to write.
        told: Hears of progress.

    Returns:
        How many rows there are.

    Raises:
        ImportError: pyarrow is not installed.
        UnwritableError: A cell is no value of its column's type, or columns have the same name;
            the message says which.
    """
    require_pyarrow()
    import pyarrow as pa
    from pyarrow import parquet

    columns = table.columns()
    _validate_unique_names(columns)
    schema = pa.schema([_create_field(column) for column in columns])
    rows = 0
    with parquet.ParquetWriter(target, schema) as to:
        for block in _iter_blocks(table, told):
            try:
                read = _parse_block(block, table, columns)
            except pa.ArrowInvalid as invalid:
                raise ParquetConversionError(
                    f"{table.filepath} cannot be written as Parquet, after row {rows}: {invalid}"
                ) from invalid
            arrays = [
                _convert_array(array, column, field.type)
                for array, column, field in zip(read.columns, columns, schema, strict=True)
            ]
            to.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows += read.num_rows
    return rows


def _validate_unique_names(columns: Sequence[Mapping[str, Any]]) -> None:
    """Refuse columns of the same name: Parquet holds them, but hardly anybody can read them."""
    names = Counter(str(column.get("name")) for column in columns)
    same = [name for name, times in names.items() if times > 1]
    if same:
        raise ParquetConversionError(
            f"Columns of a Parquet file need different names, and there are several {same}. "
            "Name each in the query: n * 2 AS twice. Where * has it already, list the columns "
            "instead of *, or take another name."
        )


def _iter_blocks(table: CsvFileTable, told: ProgressCallback) -> Iterator[bytes]:
    """Read some rows at a time, none of them in pieces; the header is left out."""
    with Path(table.filepath).open(encoding="utf-8-sig", newline="") as file:
        records = table.dialect.iter_records(file)
        if table.header:
            told(len(next(records, "").encode()) + 1)
        for block in _join_records(records):
            content = block.encode()
            told(len(content))
            yield content


def _join_records(records: Iterable[str]) -> Iterator[str]:
    held: list[str] = []
    size = 0
    for record in records:
        held.append(record)
        size += len(record) + 1
        if size >= _BLOCK_CHARACTERS:
            yield "\n".join([*held, ""])
            held, size = [], 0
    if held:
        yield "\n".join([*held, ""])


def _parse_block(block: bytes, table: CsvFileTable, columns: Sequence[Mapping[str, Any]]) -> Any:
    """Read rows: null is what is not quoted, as Synapse writes it."""
    from pyarrow import csv

    names = [str(place) for place in range(len(columns))]  # whatever those of the columns are
    return csv.read_csv(
        io.BytesIO(block),
        csv.ReadOptions(column_names=names, block_size=len(block) + 1, use_threads=False),
        csv.ParseOptions(
            delimiter=table.separator,
            quote_char=table.quoteCharacter,
            double_quote=True,
            escape_char=table.escapeCharacter,
            newlines_in_values=True,
            # where there is one column, that is how a null looks
            ignore_empty_lines=len(columns) > 1,
        ),
        csv.ConvertOptions(
            column_types={
                name: _get_parse_type(column) for name, column in zip(names, columns, strict=True)
            },
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["true", "True", "TRUE"],
            false_values=["false", "False", "FALSE"],
        ),
    )


def _get_column_type(column: Mapping[str, Any]) -> ColumnType | None:
    name = column.get("name")
    return ColumnType.INTEGER if name in (ROW_ID, ROW_VERSION) else get_column_type(column)


def _create_field(column: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    kind = _get_column_type(column)
    said = None if kind is None else {COLUMN_TYPE: str(kind).encode()}
    return pa.field(str(column.get("name")), _get_arrow_type(kind), metadata=said)


def _get_arrow_type(kind: ColumnType | None) -> Any:
    """Find the type of a column in Parquet."""
    import pyarrow as pa

    if kind is None:
        return pa.string()
    if kind in ITEM_TYPES:
        return pa.list_(_get_arrow_type(ITEM_TYPES[kind]))
    if kind is ColumnType.DATE:
        return pa.timestamp("ms", "UTC")
    return getattr(pa, _ARROW_TYPES.get(kind, "string"))()


def _get_parse_type(column: Mapping[str, Any]) -> Any:
    """Find the type as which the cells of a column are read off the CSV file."""
    import pyarrow as pa

    kind = _get_column_type(column)
    if kind is ColumnType.DATE:
        return pa.int64()
    return pa.string() if kind in ITEM_TYPES else _get_arrow_type(kind)


def _convert_array(array: Any, column: Mapping[str, Any], wanted: Any) -> Any:
    """Give cells as they were read the type that they are to have."""
    import pyarrow as pa

    kind = _get_column_type(column)
    if kind is ColumnType.DATE:
        return array.cast(wanted)
    if kind not in ITEM_TYPES:
        return array
    item = str if wanted.value_type == pa.string() else _identity
    lists = (None if text is None else json.loads(text) for text in array.to_pylist())
    made = [None if one is None else [_item(value, item) for value in one] for one in lists]
    return pa.array(made, wanted)


def _item(value: Any, make: Callable[[Any], Any]) -> Any:
    return None if value is None else make(value)


def _identity(value: Any) -> Any:
    return value
