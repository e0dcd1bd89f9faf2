"""Tables and the DataFrames of pandas, which is imported when the first one is asked for."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model import cell_text, cell_values as moments
from synapse_workflows.client.model.columns import Column, type_of
from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_VERSION, ColumnType

if TYPE_CHECKING:
    from synapse_workflows.client.model.tables import RowMetadata

#: Classes of pandas, which need not be there.
DataFrame = Any
Series = Any

#: Rows that are held as Python values at a time.
PIECE: Final = 20_000
_NUMBERS: Final = frozenset({ColumnType.INTEGER, ColumnType.DATE})
_SHORTEST, _LONGEST = 30, 1000
_ETAG: Final = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
#: How `frame` labels the rows of a table: id, version, and etag of the row of a view.
_LABEL: Final = re.compile(rf"(\d+)_(\d+)(?:_({_ETAG}))?")

_Rows = Iterable[tuple["RowMetadata | None", Sequence[Any]]]


def pandas() -> Any:
    """Import pandas.

    Raises:
        ImportError: It is not installed.
    """
    try:
        return import_module("pandas")
    except ImportError:
        raise ImportError("DataFrames need pandas: pip install pandas") from None


def frame(
    headers: Sequence[Mapping[str, Any]], rows: _Rows, *, in_index: bool, dates: bool
) -> DataFrame:
    """Make a DataFrame of rows, holding no more than a piece of them besides.

    Args:
        headers: The columns.
        rows: Which row each one is, and its values.
        in_index: Label the rows by id, version and etag; else those are columns.
        dates: Make DATE columns of moments; else of milliseconds since 1970.
    """
    pd = pandas()
    source, made = iter(rows), []
    while piece := list(islice(source, PIECE)):
        made.append(_piece(headers, piece, in_index=in_index, dates=dates))
    if not made:
        return _piece(headers, [], in_index=in_index, dates=dates)
    numbered = any(piece.index.dtype.kind == "i" for piece in made)
    return made[0] if len(made) == 1 else pd.concat(made, ignore_index=numbered)


def _piece(
    headers: Sequence[Mapping[str, Any]],
    rows: Sequence[tuple["RowMetadata | None", Sequence[Any]]],
    *,
    in_index: bool,
    dates: bool,
) -> DataFrame:
    pd = pandas()
    known = [row for row, _ in rows if row is not None]
    are_rows = bool(known) and len(known) == len(rows)
    index = None
    if are_rows and in_index:
        index = pd.Index([_label(row) for row in known])
    listed = list(zip(*(values for _, values in rows), strict=True)) or [()] * len(headers)
    columns = [
        _series(column, values, dates) for column, values in zip(headers, listed, strict=True)
    ]
    names = [column.get("name") for column in headers]
    if are_rows and not in_index:
        columns = [*_metadata(known), *columns]
        names = [*[ROW_ID, ROW_VERSION, ROW_ETAG][: len(columns) - len(names)], *names]
    # By position, as a query can answer two columns of one name.
    made = pd.DataFrame(dict(enumerate(columns)))
    made.columns = pd.Index(names)
    if index is not None:
        made.index = index
    return made


def _label(row: "RowMetadata") -> str:
    parts = (row.row_id, row.row_version, row.row_etag)
    return "_".join(str(part) for part in parts if part is not None)


def _metadata(rows: Sequence["RowMetadata"]) -> list[Series]:
    pd = pandas()
    columns = [[row.row_id for row in rows], [row.row_version for row in rows]]
    made = [pd.Series(column, dtype="Int64") for column in columns]
    etags = [row.row_etag for row in rows]
    return [*made, pd.Series(etags, dtype=object)] if any(etags) else made


def _series(column: Mapping[str, Any], values: Sequence[Any], dates: bool) -> Series:
    pd = pandas()
    kind = type_of(column)
    if kind is ColumnType.DATE:
        values = [moments.milliseconds(one) if isinstance(one, date) else one for one in values]
    if kind is ColumnType.DATE and dates:
        return _moments(values)
    if kind in _NUMBERS:
        return pd.Series(list(values), dtype="Int64")
    if kind is ColumnType.DOUBLE:
        return pd.Series(list(values), dtype="float64")
    if kind is ColumnType.BOOLEAN:
        return pd.Series(list(values), dtype="boolean")
    return pd.Series(list(values), dtype=object)


def _moments(values: Sequence[int | None]) -> Series:
    pd = pandas()
    try:
        return pd.to_datetime(pd.Series(values, dtype="Int64"), unit="ms", utc=True)
    except pd.errors.OutOfBoundsDatetime:
        listed = [None if one is None else moments.moment_of(one) for one in values]
        return pd.Series(listed, dtype=object)


def labelled(frame: DataFrame, *, row_ids: bool) -> tuple[list[str], Iterator[list[Any]]]:
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
    found = [_LABEL.fullmatch(str(label)) for label in frame.index] if row_ids else []
    if not any(found):
        return names, _rows(frame)
    parts = [match.groups() if match else (None, None, None) for match in found]
    columns = dict(zip((ROW_ID, ROW_VERSION, ROW_ETAG), zip(*parts, strict=True), strict=True))
    if not any(columns[ROW_ETAG]):
        del columns[ROW_ETAG]
    for name in [name for name in columns if name in names]:
        _require_same(name, frame.iloc[:, names.index(name)], columns.pop(name))
    rows = map(list.__add__, map(list, zip(*columns.values(), strict=True)), _rows(frame))
    return [*columns, *names], rows if columns else _rows(frame)


def _require_same(name: str, series: Series, said: Sequence[Any]) -> None:
    held = [None if one is None else str(one).removesuffix(".0") for one in _values(series)]
    if held != list(said):
        raise SynapseError(
            f"A column named {name!r} does not match what the labels of the rows say. "
            "Leave it out, or reset the labels: it says which row of the table to update."
        )


def _rows(frame: DataFrame) -> Iterator[list[Any]]:
    """Go through the rows of a DataFrame as lists of Python values; what is missing is None."""
    for start in range(0, len(frame), PIECE):
        piece = frame.iloc[start : start + PIECE]
        columns = [_values(piece.iloc[:, at]) for at in range(piece.shape[1])]
        yield from map(list, zip(*columns, strict=True)) if columns else iter(())


def _values(series: Series) -> list[Any]:
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
    pd = pandas()
    if isinstance(values, pd.DataFrame):
        frame = values
    else:
        frame = _held(values) if isinstance(values, Mapping) else pd.read_csv(values)
    names = [str(name) for name in frame.columns]
    listed = [_inferred(name, frame.iloc[:, at]) for at, name in enumerate(names)]
    return [one for one in listed if one["name"] not in {ROW_ID, ROW_VERSION, ROW_ETAG}]


def _held(values: Mapping[str, Iterable[Any]]) -> DataFrame:
    """Hold columns of Python values as they are, so that null makes no floats of integers."""
    pd = pandas()
    return pd.DataFrame({name: pd.Series(list(one), dtype=object) for name, one in values.items()})


def _inferred(name: str, series: Series) -> Column:
    kinds = {"b": "BOOLEAN", "f": "DOUBLE", "i": "INTEGER", "u": "INTEGER", "M": "DATE"}
    found = kinds.get(series.dtype.kind) if hasattr(series.dtype, "kind") else None
    if found is not None:
        return Column(name=name, columnType=found)
    values = [_listed(one) for one in _values(series) if one is not None]
    kind = _kind(values)
    if kind is not None:
        return _sized(name, kind, values)
    longest = max((len(cell_text.writer({})(one) or "") for one in values), default=0)
    if longest > _LONGEST:
        return Column(name=name, columnType="LARGETEXT")
    return Column(name=name, columnType="STRING", maximumSize=_size(longest))


def _listed(value: Any) -> Any:
    """Make a list of an array of numpy, as frames out of Parquet hold them."""
    return value.tolist() if hasattr(value, "tolist") else value


def _size(longest: int) -> int:
    return min(_LONGEST, max(_SHORTEST, longest * 3 // 2))


def _kind(values: Sequence[Any]) -> ColumnType | None:
    """Find the one type that a column of Python objects is of; None for text, and for a mix."""
    if values and all(isinstance(one, list | tuple) for one in values):
        return _list([one for items in values for one in items])
    if values and all(isinstance(one, Mapping | list | tuple) for one in values):
        return ColumnType.JSON
    return _scalar(values)


def _list(items: Sequence[Any]) -> ColumnType:
    """Find the type of lists by their items; what mixes, or misses some, is JSON."""
    if all(isinstance(one, str) for one in items):
        return ColumnType.STRING_LIST
    by_item = {item: kind for kind, item in cell_text.ITEM_TYPES.items()}
    found = _scalar(items)
    return ColumnType.JSON if found is None else by_item.get(found, ColumnType.JSON)


def _scalar(values: Sequence[Any]) -> ColumnType | None:
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


def _sized(name: str, kind: ColumnType, values: Sequence[Any]) -> Column:
    column = Column(name=name, columnType=str(kind))
    if kind in cell_text.ITEM_TYPES:
        column["maximumListLength"] = max(2, *(len(one) for one in values))
    if kind is ColumnType.STRING_LIST:
        longest = max((len(str(one)) for items in values for one in items), default=0)
        column["maximumSize"] = _size(longest)
    return column
