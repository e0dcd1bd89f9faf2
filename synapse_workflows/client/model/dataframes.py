"""Conversion between tables and pandas DataFrames. pandas is imported on first use."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import InvalidOperation
from importlib import import_module
from itertools import islice
from typing import Any, Final

from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model import cell_values
from synapse_workflows.client.model.columns import SelectColumn, get_column_type
from synapse_workflows.client.model.rows import RowMetadata
from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_METADATA, ROW_VERSION, ColumnType

#: Classes of pandas, which is an optional dependency.
DataFrame = Any
Series = Any

#: Rows converted at a time.
CHUNK_ROWS: Final = 20_000
_MILLIS_COLUMN: Final = SelectColumn(columnType=ColumnType.INTEGER)
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
    metadata = [row for row, _ in rows if row is not None]
    have_metadata = bool(metadata) and len(metadata) == len(rows)
    labels, metadata_columns = None, []
    if have_metadata and in_index:
        labels = [_format_label(row) for row in metadata]
    elif have_metadata:
        metadata_columns = _create_metadata_series(metadata)
    cells = list(zip(*(values for _, values in rows), strict=True)) or [()] * len(headers)
    columns = [
        create_series(column, values, dates=dates)
        for column, values in zip(headers, cells, strict=True)
    ]
    return assemble_dataframe(headers, columns, metadata_columns, labels)


def assemble_dataframe(
    headers: Sequence[Mapping[str, Any]],
    columns: Sequence[Series],
    metadata_columns: Sequence[Series] = (),
    labels: Sequence[str] | Series | None = None,
) -> DataFrame:
    """Create a DataFrame from its columns.

    Args:
        headers: Headers of the columns.
        columns: Values of the columns.
        metadata_columns: Row IDs, versions and, for views, etags, as additional columns.
        labels: Labels of the rows; None to number them.
    """
    pd = import_pandas()
    names = [*ROW_METADATA[: len(metadata_columns)], *(column.get("name") for column in headers)]
    # Columns are numbered, because a query result can have two columns of the same name.
    frame = pd.DataFrame(dict(enumerate([*metadata_columns, *columns])), copy=False)
    frame.columns = pd.Index(names)
    if labels is not None:
        frame.index = pd.Index(labels)
    return frame


def _format_label(row: RowMetadata) -> str:
    parts = (row.row_id, row.row_version, row.row_etag)
    return "_".join(str(part) for part in parts if part is not None)


def _create_metadata_series(rows: Sequence[RowMetadata]) -> list[Series]:
    pd = import_pandas()
    columns = [[row.row_id for row in rows], [row.row_version for row in rows]]
    numbers = [pd.Series(column, dtype="Int64") for column in columns]
    etags = [row.row_etag for row in rows]
    return [*numbers, pd.Series(etags, dtype=object)] if any(etags) else numbers


def get_cell_column(column: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the column by which cells are decoded for `create_series`.

    Dates are decoded as milliseconds, which pandas converts to datetimes.
    """
    return _MILLIS_COLUMN if get_column_type(column) is ColumnType.DATE else column


def create_series(column: Mapping[str, Any], values: Sequence[Any], *, dates: bool) -> Series:
    """Create a column of a DataFrame from decoded cells.

    Args:
        column: The column.
        values: The cells; a DATE may be a date, or milliseconds since 1970.
        dates: True to convert a DATE column to datetimes; False for milliseconds since 1970.
    """
    pd = import_pandas()
    column_type = get_column_type(column)
    if column_type is ColumnType.DATE:
        values = [
            cell_values.to_epoch_millis(one) if isinstance(one, date) else one for one in values
        ]
    if column_type in _INTEGER_TYPES:
        numbers = pd.Series(list(values), dtype="Int64")
        is_moment = dates and column_type is ColumnType.DATE
        return create_datetime_series(numbers) if is_moment else numbers
    if column_type is ColumnType.DOUBLE:
        return pd.Series(list(values), dtype="float64")
    if column_type is ColumnType.BOOLEAN:
        return pd.Series(list(values), dtype="boolean")
    return pd.Series(list(values), dtype=object)


def create_datetime_series(millis: Series) -> Series:
    """Convert milliseconds since 1970 to datetimes in UTC.

    If a number is outside the range of datetime, the result has Python objects: datetimes, and
    the numbers outside the range unchanged.
    """
    pd = import_pandas()
    present = millis.dropna()
    extremes = (int(present.min()), int(present.max())) if len(present) else ()
    try:
        # Check the range: some pandas versions return timestamps that datetime does not support.
        if all(isinstance(cell_values.from_epoch_millis(one), datetime) for one in extremes):
            return pd.to_datetime(millis, unit="ms", utc=True)
    except pd.errors.OutOfBoundsDatetime:
        pass
    listed = [
        None if one is None else cell_values.from_epoch_millis(one)
        for one in to_python_values(millis)
    ]
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
    try:
        missing = series.isna()
    except InvalidOperation:  # pandas compares Decimals, which fails for a signaling NaN
        missing = series.map(cell_values.is_missing)
    if not missing.any():
        return list(series.tolist())
    return [
        None if is_missing else value
        for value, is_missing in zip(series.tolist(), missing, strict=True)
    ]
