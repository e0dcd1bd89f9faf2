"""Conversion between tables and pandas DataFrames. pandas is imported on first use."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from importlib import import_module
from itertools import islice
from typing import Any, Final

from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model import cell_values
from synapse_workflows.client.model.columns import get_column_type
from synapse_workflows.client.model.rows import RowMetadata
from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_VERSION, ColumnType

#: Classes of pandas, which is an optional dependency.
DataFrame = Any
Series = Any

#: Rows converted at a time.
CHUNK_ROWS: Final = 20_000
_INTEGER_TYPES: Final = frozenset({ColumnType.INTEGER, ColumnType.DATE})
_ETAG: Final = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
#: Index label of a row: row ID, row version and, for views, etag.
_ROW_LABEL: Final = re.compile(rf"(\d+)_(\d+)(?:_({_ETAG}))?")

_LabelledRows = Iterable[tuple[RowMetadata | None, Sequence[Any]]]


def import_pandas() -> Any:
    """Import pandas.

    Raises:
        ImportError: pandas is not installed.
    """
    try:
        return import_module("pandas")
    except ImportError:
        raise ImportError(
            "DataFrames need pandas, which is not installed: "
            "pip install 'synapse-workflows[pandas]'"
        ) from None


def create_dataframe(
    headers: Sequence[Mapping[str, Any]], rows: _LabelledRows, *, in_index: bool, dates: bool
) -> DataFrame:
    """Create a DataFrame from rows, converting `CHUNK_ROWS` rows at a time.

    Args:
        headers: The columns.
        rows: Pairs of row metadata and values.
        in_index: True to put row ID, version and etag into the index; False for columns.
        dates: True to convert DATE columns to datetimes; False for milliseconds since 1970.
    """
    pd = import_pandas()
    remaining, chunks = iter(rows), []
    while chunk := list(islice(remaining, CHUNK_ROWS)):
        chunks.append(_create_chunk(headers, chunk, in_index=in_index, dates=dates))
    if not chunks:
        return _create_chunk(headers, [], in_index=in_index, dates=dates)
    is_numbered = any(chunk.index.dtype.kind == "i" for chunk in chunks)
    return chunks[0] if len(chunks) == 1 else pd.concat(chunks, ignore_index=is_numbered)


def _create_chunk(
    headers: Sequence[Mapping[str, Any]],
    rows: Sequence[tuple[RowMetadata | None, Sequence[Any]]],
    *,
    in_index: bool,
    dates: bool,
) -> DataFrame:
    pd = import_pandas()
    metadata = [row for row, _ in rows if row is not None]
    have_metadata = bool(metadata) and len(metadata) == len(rows)
    index = None
    if have_metadata and in_index:
        index = pd.Index([_format_label(row) for row in metadata])
    cells = list(zip(*(values for _, values in rows), strict=True)) or [()] * len(headers)
    columns = [
        _create_series(column, values, dates)
        for column, values in zip(headers, cells, strict=True)
    ]
    names = [column.get("name") for column in headers]
    if have_metadata and not in_index:
        columns = [*_create_metadata_series(metadata), *columns]
        names = [*[ROW_ID, ROW_VERSION, ROW_ETAG][: len(columns) - len(names)], *names]
    # Columns are numbered, because a query result can have two columns of the same name.
    chunk = pd.DataFrame(dict(enumerate(columns)))
    chunk.columns = pd.Index(names)
    if index is not None:
        chunk.index = index
    return chunk


def _format_label(row: RowMetadata) -> str:
    parts = (row.row_id, row.row_version, row.row_etag)
    return "_".join(str(part) for part in parts if part is not None)


def _create_metadata_series(rows: Sequence[RowMetadata]) -> list[Series]:
    pd = import_pandas()
    columns = [[row.row_id for row in rows], [row.row_version for row in rows]]
    numbers = [pd.Series(column, dtype="Int64") for column in columns]
    etags = [row.row_etag for row in rows]
    return [*numbers, pd.Series(etags, dtype=object)] if any(etags) else numbers


def _create_series(column: Mapping[str, Any], values: Sequence[Any], dates: bool) -> Series:
    pd = import_pandas()
    column_type = get_column_type(column)
    if column_type is ColumnType.DATE:
        values = [
            cell_values.to_epoch_millis(one) if isinstance(one, date) else one for one in values
        ]
    if column_type is ColumnType.DATE and dates:
        return _create_datetime_series(values)
    if column_type in _INTEGER_TYPES:
        return pd.Series(list(values), dtype="Int64")
    if column_type is ColumnType.DOUBLE:
        return pd.Series(list(values), dtype="float64")
    if column_type is ColumnType.BOOLEAN:
        return pd.Series(list(values), dtype="boolean")
    return pd.Series(list(values), dtype=object)


def _create_datetime_series(values: Sequence[int | None]) -> Series:
    pd = import_pandas()
    present = [one for one in values if one is not None]
    extremes = (min(present), max(present)) if present else ()
    try:
        # Check the range: some pandas versions return timestamps that datetime does not support.
        if all(isinstance(cell_values.from_epoch_millis(one), datetime) for one in extremes):
            return pd.to_datetime(pd.Series(values, dtype="Int64"), unit="ms", utc=True)
    except pd.errors.OutOfBoundsDatetime:
        pass
    listed = [None if one is None else cell_values.from_epoch_millis(one) for one in values]
    return pd.Series(listed, dtype=object)


def split_dataframe(frame: DataFrame, *, row_ids: bool) -> tuple[list[str], Iterator[list[Any]]]:
    """Split a DataFrame into column names and rows of Python values.

    Args:
        frame: The DataFrame.
        row_ids: Whether to convert index labels such as ``1_2`` to columns ROW_ID, ROW_VERSION
            and, for views, ROW_ETAG. Rows without such a label are new rows.

    Returns:
        The column names, and the rows; missing values are None.

    Raises:
        ValueError: The DataFrame has rows, but neither columns nor row labels.
        SynapseError: The labels differ from the columns ROW_ID and ROW_VERSION.
    """
    names = [str(name) for name in frame.columns]
    matches = [_ROW_LABEL.fullmatch(str(label)) for label in frame.index] if row_ids else []
    if not any(matches):
        if not names and len(frame):
            raise ValueError(f"The DataFrame has {len(frame)} rows, but no columns.")
        return names, _iter_rows(frame)
    parts = [match.groups() if match else (None, None, None) for match in matches]
    columns = dict(zip((ROW_ID, ROW_VERSION, ROW_ETAG), zip(*parts, strict=True), strict=True))
    if not any(columns[ROW_ETAG]):
        del columns[ROW_ETAG]
    for name in [name for name in columns if name in names]:
        _validate_labels(name, frame.iloc[:, names.index(name)], columns.pop(name))
    if not columns:
        return names, _iter_rows(frame)
    labels = map(list, zip(*columns.values(), strict=True))
    rows = (label + row for label, row in zip(labels, _iter_rows(frame), strict=True))
    return [*columns, *names], rows


def _validate_labels(name: str, series: Series, labels: Sequence[Any]) -> None:
    values = [
        None if one is None else str(one).removesuffix(".0") for one in to_python_values(series)
    ]
    if values != list(labels):
        raise SynapseError(
            f"Column {name!r} does not match the index labels, which identify the rows to update. "
            "Remove the column, or reset the index."
        )


def _iter_rows(frame: DataFrame) -> Iterator[list[Any]]:
    """Iterate over the rows of a DataFrame as lists of Python values; missing values are None."""
    for start in range(0, len(frame), CHUNK_ROWS):
        chunk = frame.iloc[start : start + CHUNK_ROWS]
        columns = [to_python_values(chunk.iloc[:, index]) for index in range(chunk.shape[1])]
        yield from map(list, zip(*columns, strict=True)) if columns else ([] for _ in chunk.index)


def to_python_values(series: Series) -> list[Any]:
    """Return the values of a column as Python objects; missing values are None."""
    missing = series.isna()
    if not missing.any():
        return list(series.tolist())
    return [
        None if is_missing else value
        for value, is_missing in zip(series.tolist(), missing, strict=True)
    ]
