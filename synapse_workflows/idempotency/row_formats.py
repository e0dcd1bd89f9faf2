"""Forms of the rows to store in a table: files, DataFrames, and lists, with their detection."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import Any, Final

from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.execution_time.lazy_sequence import LazyXComSequence

from synapse_workflows.client.model.row_spool import RowSpool
from synapse_workflows.idempotency.combined_source import CombinedRowSource
from synapse_workflows.idempotency.csv_source import CsvRowSource
from synapse_workflows.idempotency.frame_source import create_frame_source, is_frame
from synapse_workflows.idempotency.local_files import LocalFile, is_list
from synapse_workflows.idempotency.parquet_source import PARQUET_MAGIC, ParquetRowSource
from synapse_workflows.idempotency.row_source import (
    STANDARD_CSV,
    SYNAPSE_CSV,
    SYNAPSE_TSV,
    TSV,
    RowSource,
)
from synapse_workflows.idempotency.value_source import (
    JsonLinesFile,
    RecordRowSource,
    SequenceRowSource,
)
from synapse_workflows.operator_arguments import (
    invalid_type,
    is_file_reference,
    is_reference,
    is_staged,
    parse_reference_text,
)

#: Provides a file, given as path, URL or reference, on this worker inside a block.
OpenFile = Callable[[Any], AbstractContextManager[LocalFile]]

_FORMS: Final = (
    "a file (path, URL, ObjectStoragePath or the reference of another task), a pandas or polars "
    "DataFrame, a pyarrow Table, a list of dictionaries, a list of tuples with columns=[...], or "
    "a list of files"
)
_JSON_SUFFIXES: Final = frozenset({".jsonl", ".ndjson", ".json"})
_TSV_SUFFIXES: Final = frozenset({".tsv", ".tab"})
_GZIP_SUFFIXES: Final = frozenset({".gz", ".gzip"})
#: First bytes of files in formats that are not supported.
_UNSUPPORTED: Final = {
    b"PK\x03\x04": "a ZIP archive or an Excel file",
    b"\xd0\xcf\x11\xe0": "an Excel file",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by Zstandard",
    b"ARROW1": "an Arrow or Feather file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"SQLite format 3": "an SQLite database",
}
_MAGIC_BYTES: Final = max(map(len, _UNSUPPORTED))


@contextmanager
def open_rows(
    rows: Any, columns: Sequence[str] | None, open_file: OpenFile
) -> Iterator[RowSource]:
    """Provide the rows of the argument `rows` inside the block.

    Args:
        rows: The rows in any form; see `SynapseTableStoreOperator`.
        columns: Names of the columns, for rows without names.
        open_file: Provides the files in `rows`.

    Raises:
        AirflowFailException: The rows or `columns` have an invalid form.
    """
    _check_columns(columns)
    rows = parse_reference_text(rows)
    _reject_json_text(rows)
    with ExitStack() as stack:
        yield _create_source(
            rows, "rows", columns, lambda file: stack.enter_context(open_file(file))
        )


_GetFile = Callable[[Any], LocalFile]


def _create_source(
    rows: Any, label: str, columns: Sequence[str] | None, get_file: _GetFile
) -> RowSource:
    if _is_file(rows) or is_file_reference(rows) or is_frame(rows):
        _reject_columns(rows, columns)
        return _create_part(rows, label, get_file)
    is_iterable = isinstance(rows, Iterable) and not hasattr(rows, "dtype")
    if not is_iterable or isinstance(rows, bytes | bytearray | memoryview | Mapping):
        raise invalid_type(rows, label, _FORMS)
    if isinstance(rows, Iterator):
        first = list(islice(rows, 1))
        rows = chain(first, rows)
        if not any(map(_is_part, first)):
            return _create_spooled(rows, columns)
    items = [*_flatten(rows, columns)]
    if columns is not None or not any(map(_is_part, items)):
        return _create_list_source(items, columns)
    for index, item in enumerate(items):
        if not _is_part(item):
            raise AirflowFailException(
                f"Invalid rows[{index}] of type {type(item).__name__}: {item!r:.100}. A list "
                "contains either files and DataFrames, or rows"
            )
    parts = [_create_part(item, f"rows[{index}]", get_file) for index, item in enumerate(items)]
    return parts[0] if len(parts) == 1 else CombinedRowSource(parts)


def _flatten(rows: Iterable[Any], columns: Sequence[str] | None) -> Iterator[Any]:
    """Yield the items of a list, and the items of the lists that mapped tasks returned."""
    is_mapped = isinstance(rows, LazyXComSequence)
    for item in rows:
        if isinstance(item, LazyXComSequence):
            yield from _flatten(item, columns)
        elif is_list(item) and _is_nested(item, columns, is_mapped=is_mapped):
            yield from item
        else:
            yield item


def _is_nested(items: Sequence[Any], columns: Sequence[str] | None, *, is_mapped: bool) -> bool:
    """Return whether a list in a list is not a row, but has rows or files."""
    if not is_mapped:
        return columns is None and all(isinstance(item, Mapping) for item in items)
    if columns is None:
        return all(isinstance(item, Mapping) or _is_part(item) for item in items)
    return all(isinstance(item, Mapping) or is_list(item) for item in items)


def _is_part(item: Any) -> bool:
    """Return whether an item of a list has rows; a mapping with any other keys is a row."""
    is_result = is_reference(item) and "synapse_conn_id" in item
    return is_result or is_staged(item) or _is_file(item) or is_frame(item)


def _is_file(value: Any) -> bool:
    return isinstance(value, str | PathLike | ObjectStoragePath)


def _create_part(part: Any, label: str, get_file: _GetFile) -> RowSource:
    """Create the source of one file or DataFrame."""
    if is_frame(part):
        return create_frame_source(part, label)
    file_format = (
        part.get("file_format", "csv") if is_reference(part) and "query" in part else None
    )
    return _create_file_source(get_file(part).path, file_format)


def _create_file_source(path: Path, query_format: str | None) -> RowSource:
    """Create the source of a file, by its first bytes and its name.

    Args:
        path: The file.
        query_format: Format of a query result; None for other files.
    """
    with path.open("rb") as file:
        start = file.read(_MAGIC_BYTES)
    if start.startswith(PARQUET_MAGIC):
        return ParquetRowSource(path)
    found = next((text for magic, text in _UNSUPPORTED.items() if start.startswith(magic)), None)
    if found is not None:
        raise AirflowFailException(
            f"{path} is {found}. Write the rows as CSV, TSV or JSON lines (each also compressed "
            "by gzip), or Parquet"
        )
    suffix = _suffix(path)
    if query_format == "jsonl" or (query_format is None and suffix in _JSON_SUFFIXES):
        return RecordRowSource(JsonLinesFile(path), label=str(path))
    if query_format is not None:
        return CsvRowSource(path, SYNAPSE_TSV if query_format == "tsv" else SYNAPSE_CSV)
    return CsvRowSource(path, TSV if suffix in _TSV_SUFFIXES else STANDARD_CSV)


def _suffix(path: Path) -> str:
    """Return the suffix of a file name in lower case, without the suffix of the compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _GZIP_SUFFIXES:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _create_spooled(rows: Iterable[Any], columns: Sequence[str] | None) -> RowSource:
    """Create the source of a generator, whose rows are written to a temporary file."""
    try:
        spool = RowSpool(rows)
    except ValueError as error:
        raise AirflowFailException(f"Invalid rows: {error}") from error
    stored: Any = spool
    if spool.names is not None:
        return RecordRowSource(stored, columns)
    if next(iter(spool), None) is None:
        return RecordRowSource([], columns)
    return SequenceRowSource(stored, _require_columns(columns))


def _create_list_source(rows: Sequence[Any], columns: Sequence[str] | None) -> RowSource:
    """Create the source of rows in memory: all mappings, or all sequences."""
    are_records = bool(rows) and isinstance(rows[0], Mapping)
    for number, row in enumerate(rows, 1):
        if not (isinstance(row, Mapping) if are_records else is_list(row)):
            others = "dictionaries" if are_records else "tuples or lists"
            expected = (
                f"the rows before it are {others}"
                if number > 1
                else ("expected a dictionary, or a tuple or list with columns=[...]")
            )
            raise AirflowFailException(
                f"Invalid rows: row {number} is of type {type(row).__name__}, but {expected}: "
                f"{row!r:.100}"
            )
    if are_records or not rows:
        return RecordRowSource(rows, columns)
    return SequenceRowSource(rows, _require_columns(columns or getattr(rows[0], "_fields", None)))


def _require_columns(columns: Sequence[str] | None) -> Sequence[str]:
    if columns is None:
        raise AirflowFailException(
            "Invalid rows: the rows are tuples or lists, so their columns are unknown. Set "
            "columns=['name', 'age'] with one name per value, or pass rows as dictionaries: "
            "[{'name': 'a', 'age': 1}]"
        )
    return columns


def _check_columns(columns: Any) -> None:
    is_valid = (
        is_list(columns) and bool(columns) and all(isinstance(name, str) for name in columns)
    )
    if columns is not None and not is_valid:
        raise invalid_type(columns, "columns", "a list of column names")


def _reject_columns(rows: Any, columns: Sequence[str] | None) -> None:
    if columns is not None:
        raise AirflowFailException(
            f"columns={list(columns)} is for rows that are tuples, lists or dictionaries, but "
            f"rows is of type {type(rows).__name__} and has column names. Remove columns, and "
            "rename or select the columns before"
        )


def _reject_json_text(rows: Any) -> None:
    """Reject a list or dictionary that a template has rendered as text."""
    text = rows.strip() if isinstance(rows, str) else ""
    kind = {"[]": "list", "{}": "dictionary"}.get(text[:1] + text[-1:])
    if kind:
        raise AirflowFailException(
            f"Invalid rows {text!r:.60}: this is the text of a {kind}. Pass the {kind} itself, as "
            "the result of another task: rows=task.output (an XComArg). Or set "
            "render_template_as_native_obj=True on the DAG"
        )
