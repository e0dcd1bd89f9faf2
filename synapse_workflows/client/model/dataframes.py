"""Tables and the DataFrames of pandas, which is imported when the first one is asked for."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from importlib import import_module
from itertools import islice
from typing import Any, Final

from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model import cell_codec, cell_values
from synapse_workflows.client.model.columns import Column, get_column_type
from synapse_workflows.client.model.rows import RowMetadata
from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_VERSION, ColumnType

#: Classes of pandas, which need not be there.
DataFrame = Any
Series = Any

#: Rows that are held as Python values at a time.
CHUNK_ROWS: Final = 20_000
_INTEGER_TYPES: Final = frozenset({ColumnType.INTEGER, ColumnType.DATE})
_MIN_STRING_SIZE, _MAX_STRING_SIZE = 30, 1000
_ETAG: Final = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
#: How `frame` labels the rows of a table: id, version, and etag of the row of a view.
_ROW_LABEL: Final = re.compile(rf"(\d+)_(\d+)(?:_({_ETAG}))?")

_LabelledRows = Iterable[tuple[RowMetadata | None, Sequence[Any]]]


def import_pandas() -> Any:
    """Import pandas.

    Raises:
        ImportError: It is not installed.
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
    """Make a DataFrame of rows, holding no more than a piece of them besides.

    Args:
        headers: The columns.
        rows: Which row each one is, and its values.
        in_index: Label the rows by id, version and etag; else those are columns.
        dates: Make DATE columns of moments; else of milliseconds since 1970.
    """
    pd = import_pandas()
    source, made = iter(rows), []
    while piece := list(islice(source, CHUNK_ROWS)):
        made.append(_create_chunk(headers, piece, in_index=in_index, dates=dates))
    if not made:
        return _create_chunk(headers, [], in_index=in_index, dates=dates)
    numbered = any(piece.index.dtype.kind == "i" for piece in made)
    return made[0] if len(made) == 1 else pd.concat(made, ignore_index=numbered)


def _create_chunk(
    headers: Sequence[Mapping[str, Any]],
    rows: Sequence[tuple[RowMetadata | None, Sequence[Any]]],
    *,
    in_index: bool,
    dates: bool,
) -> DataFrame:
    pd = import_pandas()
    known = [row for row, _ in rows if row is not None]
    are_rows = bool(known) and len(known) == len(rows)
    index = None
    if are_rows and in_index:
        index = pd.Index([_format_label(row) for row in known])
    listed = list(zip(*(values for _, values in rows), strict=True)) or [()] * len(headers)
    columns = [
        _create_series(column, values, dates)
        for column, values in zip(headers, listed, strict=True)
    ]
    names = [column.get("name") for column in headers]
    if are_rows and not in_index:
        columns = [*_metadata_series(known), *columns]
        names = [*[ROW_ID, ROW_VERSION, ROW_ETAG][: len(columns) - len(names)], *names]
    # By position, as a query can answer two columns of one name.
    made = pd.DataFrame(dict(enumerate(columns)))
    made.columns = pd.Index(names)
    if index is not None:
        made.index = index
    return made


def _format_label(row: RowMetadata) -> str:
    parts = (row.row_id, row.row_version, row.row_etag)
    return "_".join(str(part) for part in parts if part is not None)


def _metadata_series(rows: Sequence[RowMetadata]) -> list[Series]:
    pd = import_pandas()
    columns = [[row.row_id for row in rows], [row.row_version for row in rows]]
    made = [pd.Series(column, dtype="Int64") for column in columns]
    etags = [row.row_etag for row in rows]
    return [*made, pd.Series(etags, dtype=object)] if any(etags) else made


def _create_series(column: Mapping[str, Any], values: Sequence[Any], dates: bool) -> Series:
    pd = import_pandas()
    kind = get_column_type(column)
    if kind is ColumnType.DATE:
        values = [
            cell_values.to_epoch_millis(one) if isinstance(one, date) else one for one in values
        ]
    if kind is ColumnType.DATE and dates:
        return _create_datetime_series(values)
    if kind in _INTEGER_TYPES:
        return pd.Series(list(values), dtype="Int64")
    if kind is ColumnType.DOUBLE:
        return pd.Series(list(values), dtype="float64")
    if kind is ColumnType.BOOLEAN:
        return pd.Series(list(values), dtype="boolean")
    return pd.Series(list(values), dtype=object)


def _create_datetime_series(values: Sequence[int | None]) -> Series:
    pd = import_pandas()
    try:
        return pd.to_datetime(pd.Series(values, dtype="Int64"), unit="ms", utc=True)
    except pd.errors.OutOfBoundsDatetime:
        listed = [None if one is None else cell_values.from_epoch_millis(one) for one in values]
        return pd.Series(listed, dtype=object)


def split_dataframe(frame: DataFrame, *, row_ids: bool) -> tuple[list[str], Iterator[list[Any]]]:
    """Take a DataFrame apart into names of columns and rows of Python values.

    Args:
        frame: The frame.
        row_ids: Whether labels that name rows of the table become columns ROW_ID, ROW_VERSION
            and, for views, ROW_ETAG; rows without such a label are new.

    Returns:
        The names, and the rows; what is missing in them is None.

    Raises:
        SynapseError: The frame has such columns, and they say something else.
    """
    names = [str(name) for name in frame.columns]
    found = [_ROW_LABEL.fullmatch(str(label)) for label in frame.index] if row_ids else []
    if not any(found):
        return names, _iter_rows(frame)
    parts = [match.groups() if match else (None, None, None) for match in found]
    columns = dict(zip((ROW_ID, ROW_VERSION, ROW_ETAG), zip(*parts, strict=True), strict=True))
    if not any(columns[ROW_ETAG]):
        del columns[ROW_ETAG]
    for name in [name for name in columns if name in names]:
        _validate_labels(name, frame.iloc[:, names.index(name)], columns.pop(name))
    rows = map(list.__add__, map(list, zip(*columns.values(), strict=True)), _iter_rows(frame))
    return [*columns, *names], rows if columns else _iter_rows(frame)


def _validate_labels(name: str, series: Series, said: Sequence[Any]) -> None:
    held = [
        None if one is None else str(one).removesuffix(".0") for one in _to_python_values(series)
    ]
    if held != list(said):
        raise SynapseError(
            f"A column named {name!r} does not match what the labels of the rows say. "
            "Leave it out, or reset the labels: it says which row of the table to update."
        )


def _iter_rows(frame: DataFrame) -> Iterator[list[Any]]:
    """Go through the rows of a DataFrame as lists of Python values; what is missing is None."""
    for start in range(0, len(frame), CHUNK_ROWS):
        piece = frame.iloc[start : start + CHUNK_ROWS]
        columns = [_to_python_values(piece.iloc[:, at]) for at in range(piece.shape[1])]
        yield from map(list, zip(*columns, strict=True)) if columns else iter(())


def _to_python_values(series: Series) -> list[Any]:
    missing = series.isna()
    if not missing.any():
        return list(series.tolist())
    return [None if gone else one for one, gone in zip(series.tolist(), missing, strict=True)]


def as_table_columns(values: Any) -> list[Column]:
    """Infer the columns of a table from a DataFrame, or from a CSV file.

    Booleans, integers, floats, dates and datetimes, lists of these or of text, and dictionaries
    (JSON) are recognised; the rest is text, STRING up to 1000 characters, LARGETEXT beyond.

    Args:
        values: A DataFrame, a mapping of columns by name, or the path of a CSV file.

    Raises:
        ImportError: pandas is not installed.
    """
    pd = import_pandas()
    if isinstance(values, pd.DataFrame):
        frame = values
    else:
        frame = _from_columns(values) if isinstance(values, Mapping) else pd.read_csv(values)
    names = [str(name) for name in frame.columns]
    listed = [_infer_column(name, frame.iloc[:, at]) for at, name in enumerate(names)]
    return [one for one in listed if one["name"] not in {ROW_ID, ROW_VERSION, ROW_ETAG}]


def _from_columns(values: Mapping[str, Iterable[Any]]) -> DataFrame:
    """Hold columns of Python values as they are, so that null makes no floats of integers."""
    pd = import_pandas()
    return pd.DataFrame({name: pd.Series(list(one), dtype=object) for name, one in values.items()})


def _infer_column(name: str, series: Series) -> Column:
    kinds = {"b": "BOOLEAN", "f": "DOUBLE", "i": "INTEGER", "u": "INTEGER", "M": "DATE"}
    found = kinds.get(series.dtype.kind) if hasattr(series.dtype, "kind") else None
    if found is not None:
        return Column(name=name, columnType=found)
    values = [_to_list(one) for one in _to_python_values(series) if one is not None]
    kind = _infer_type(values)
    if kind is not None:
        return _create_sized_column(name, kind, values)
    longest = max((len(cell_codec.create_writer({})(one) or "") for one in values), default=0)
    if longest > _MAX_STRING_SIZE:
        return Column(name=name, columnType="LARGETEXT")
    return Column(name=name, columnType="STRING", maximumSize=_suggest_size(longest))


def _to_list(value: Any) -> Any:
    """Make a list of an array of numpy, as frames out of Parquet hold them."""
    return value.tolist() if hasattr(value, "tolist") else value


def _suggest_size(longest: int) -> int:
    return min(_MAX_STRING_SIZE, max(_MIN_STRING_SIZE, longest * 3 // 2))


def _infer_type(values: Sequence[Any]) -> ColumnType | None:
    """Find the one type that a column of Python objects is of; None for text, and for a mix."""
    if values and all(isinstance(one, list | tuple) for one in values):
        return _infer_list_type([one for items in values for one in items])
    if values and all(isinstance(one, Mapping | list | tuple) for one in values):
        return ColumnType.JSON
    return _infer_scalar_type(values)


def _infer_list_type(items: Sequence[Any]) -> ColumnType:
    """Find the type of lists by their items; what mixes, or misses some, is JSON."""
    if all(isinstance(one, str) for one in items):
        return ColumnType.STRING_LIST
    by_item = {item: kind for kind, item in cell_codec.ITEM_TYPES.items()}
    found = _infer_scalar_type(items)
    return ColumnType.JSON if found is None else by_item.get(found, ColumnType.JSON)


def _infer_scalar_type(values: Sequence[Any]) -> ColumnType | None:
    tests: tuple[tuple[ColumnType, type | tuple[type, ...]], ...] = (
        (ColumnType.BOOLEAN, bool),
        (ColumnType.INTEGER, int),
        (ColumnType.DOUBLE, (int, float)),
        (ColumnType.DATE, (date, datetime)),
    )
    for kind, classes in tests:
        if values and all(isinstance(one, classes) for one in values):
            return kind
    return None


def _create_sized_column(name: str, kind: ColumnType, values: Sequence[Any]) -> Column:
    column = Column(name=name, columnType=str(kind))
    if kind in cell_codec.ITEM_TYPES:
        column["maximumListLength"] = max(2, *(len(one) for one in values))
    if kind is ColumnType.STRING_LIST:
        longest = max((len(str(one)) for items in values for one in items), default=0)
        column["maximumSize"] = _suggest_size(longest)
    return column
