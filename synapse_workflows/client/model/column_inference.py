"""Inference of the columns of a table from a DataFrame, a mapping of columns or a CSV file.

A column gets the narrowest type that accepts all of its values without changing them. The values
are compared in the form in which they are written when the table is stored.
"""

import math
import os
import re
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import zip_longest
from types import MappingProxyType
from typing import Any, Final, Protocol

from synapse_workflows.client.model import cell_codec, cell_values, csv_io, dataframes
from synapse_workflows.client.model.argument_types import ColumnTypeName
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.csv_dialect import CsvDialect
from synapse_workflows.constants import ROW_METADATA, ColumnType

_MIN_STRING_SIZE, _MAX_STRING_SIZE, _MAX_LIST_LENGTH = 30, 1000, 100
#: Integers that a DOUBLE represents exactly, and the maximum number of digits of a DOUBLE.
_EXACT_RANGE: Final = range(-(2**53), 2**53 + 1)
_MAX_DIGITS: Final = 17
_INT64_RANGE: Final = range(-(2**63), 2**63)
#: Kind of a NumPy dtype -> column type.
_DTYPE_TYPES: Final[Mapping[str, ColumnTypeName]] = MappingProxyType(
    {"b": "BOOLEAN", "f": "DOUBLE", "i": "INTEGER", "M": "DATE"}
)
#: Start of the name of a dtype of pandas, polars or Arrow, in lower case -> column type.
_DTYPE_NAMES: Final[Mapping[str, ColumnType]] = MappingProxyType(
    {
        r"u?int\d": ColumnType.INTEGER,
        r"float|double|halffloat": ColumnType.DOUBLE,
        r"bool": ColumnType.BOOLEAN,
        r"date|timestamp": ColumnType.DATE,
    }
)
#: Types of the columns of a CSV file, narrowest first; all other text is STRING or LARGETEXT.
_TEXT_TYPES: Final = (ColumnType.BOOLEAN, ColumnType.INTEGER, ColumnType.DOUBLE)
_BOOLEAN_WORDS: Final = frozenset({"true", "false"})
_SPECIAL_DOUBLES: Final = frozenset({"NaN", "Infinity", "-Infinity"})


def as_table_columns(values: Any) -> list[Column]:
    """Infer the columns of a table.

    Columns of booleans, 64-bit integers, floats, dates or datetimes get the matching type. Lists
    of these values or of strings get a list type, and dictionaries get JSON. Other columns, for
    example of larger integers, Decimals or mixed types, become STRING, or LARGETEXT if a value
    is longer than 1000 characters.

    Args:
        values: A DataFrame, a mapping of column names to values, the path of a CSV file, which
            may be compressed by gzip, or an open CSV file. In a CSV file, only an empty cell is
            null; ``NA`` is text.

    Raises:
        ValueError: A column has no name, or contains values that no column type supports.
        TypeError: `values` is of an unsupported type.
        ImportError: pandas is not installed, and `values` is a DataFrame.
    """
    if isinstance(values, Mapping):
        columns = [
            _infer_column(str(name), [*map(cell_values.to_builtin, one)])
            for name, one in values.items()
        ]
    elif isinstance(values, str | os.PathLike):
        with csv_io.open_csv(values) as file:
            columns = _infer_csv_columns(file)
    elif hasattr(values, "read"):
        columns = _infer_csv_columns(values)
    elif isinstance(values, dataframes.import_pandas().DataFrame):
        columns = [
            _infer_series_column(str(name), values.iloc[:, index])
            for index, name in enumerate(values.columns)
        ]
    else:
        raise TypeError(
            "Cannot infer columns from values of type "
            f"{type(values).__name__}: pass a DataFrame, a mapping of column names to values, or "
            "the path of a CSV file."
        )
    if any(not one["name"].strip() for one in columns):
        raise ValueError("A column has no name: rename it, or leave it out.")
    return [one for one in columns if one["name"] not in ROW_METADATA]


def _infer_csv_columns(lines: Iterable[str]) -> list[Column]:
    rows = CsvDialect().parse_rows(lines)
    names = next(rows, [])
    unnamed = [number for number, name in enumerate(names, 1) if not (name or "").strip()]
    if unnamed:
        raise ValueError(
            f"Column {unnamed[0]} of the CSV file has no name: name it, or leave it out. An index "
            "of a DataFrame has no name: write the file with to_csv(path, index=False)."
        )
    columns = [TextColumnInference(str(name)) for name in names]
    for row in rows:
        for column, cell in zip_longest(columns, row[: len(columns)]):
            column.add(cell)
    return [one.create_column() for one in columns]


def parse_dtype(dtype: Any) -> ColumnType | None:
    """Return the column type of a dtype of pandas, polars or Arrow; None for text and others."""
    name = str(dtype).lower()
    return next((kind for pattern, kind in _DTYPE_NAMES.items() if re.match(pattern, name)), None)


class ColumnInference(Protocol):
    """Inference of a column from its values, one after the other."""

    def add(self, value: Any) -> None:
        """Add a value."""

    def create_column(self, declared: ColumnType | None = None) -> Column:
        """Create the column for the values added so far.

        Args:
            declared: Type of a column without values; None for STRING.
        """


class TextColumnInference:
    """Inference of a column of a CSV file: each cell can exclude types.

    Args:
        name: Name of the column.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._types = list(_TEXT_TYPES)
        self._longest = 0
        self._is_empty, self._has_nulls = True, False

    def add(self, cell: str | None) -> None:
        """Add a cell, and remove the types that do not accept the cell."""
        if cell is None:
            self._has_nulls = True
            return
        self._is_empty = False
        self._longest = max(self._longest, cell_values.utf16_length(cell))
        self._types = [one for one in self._types if _fits_text(cell, one)]

    def create_column(self, declared: ColumnType | None = None) -> Column:
        """Create the column; integers with nulls become DOUBLE, as in pandas."""
        types = self._types
        if self._is_empty and declared is not None:
            return _create_column(self.name, declared)
        if not types or self._is_empty:
            return _create_text_column(self.name, self._longest)
        if types[0] is ColumnType.INTEGER and self._has_nulls:
            types = types[-1:]
        return _create_column(self.name, types[0])


def _fits_text(cell: str, column_type: ColumnType) -> bool:
    if column_type is ColumnType.BOOLEAN:
        return cell.lower() in _BOOLEAN_WORDS
    if not cell.isascii() or "_" in cell or cell != cell.strip():
        return False  # Python accepts such numbers, Synapse does not
    try:
        if column_type is ColumnType.INTEGER:
            return str(int(cell)) == cell and int(cell) in _INT64_RANGE
        return cell in _SPECIAL_DOUBLES or _is_double(cell)
    except ValueError:
        return False


def _is_double(cell: str) -> bool:
    """Return whether a number is a DOUBLE, without leading zeros or excess digits."""
    digits = cell.lstrip("+-")
    is_code = digits[:1] == "0" and digits[1:2].isdigit()
    mantissa = digits.lower().partition("e")[0].replace(".", "").lstrip("0")
    is_long = len(mantissa) > _MAX_DIGITS or (digits.isdigit() and int(cell) not in _EXACT_RANGE)
    return math.isfinite(float(cell)) and not is_code and not is_long


def _infer_series_column(name: str, series: Any) -> Column:
    kind = getattr(series.dtype, "kind", "")
    if kind in _DTYPE_TYPES:
        return _create_column(name, ColumnType(_DTYPE_TYPES[kind]))
    return _infer_column(name, dataframes.to_python_values(series))


def _infer_column(name: str, values: Iterable[Any]) -> Column:
    """Infer a column from Python objects."""
    inference = ValueColumnInference(name)
    for value in values:
        inference.add(value)
    return inference.create_column()


class ValueColumnInference:
    """Inference of a column of Python objects.

    Args:
        name: Name of the column.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._scalars, self._items = _ScalarKinds(), _ScalarKinds()
        self._lists = self._mappings = 0
        self._longest_list = self._longest_text = 0
        self._has_missing_items = self._has_nan = False
        self._invalid: str | None = None

    def add(self, value: Any) -> None:
        """Add a value; None, NaN, NA and NaT are null."""
        if cell_values.is_missing(value):
            self._has_nan = self._has_nan or isinstance(value, float)
            return
        value = _to_list(cell_values.to_builtin(value))
        if isinstance(value, Mapping):
            self._mappings += 1
        elif isinstance(value, list | tuple):
            self._lists += 1
            self._longest_list = max(self._longest_list, len(value))
            for item in map(cell_values.to_builtin, value):
                self._has_missing_items = self._has_missing_items or cell_values.is_missing(item)
                self._items.add(item)
        else:
            self._scalars.add(value)
        self._measure(value)

    def create_column(self, declared: ColumnType | None = None) -> Column:
        """Create the column.

        Raises:
            ValueError: No column type supports all values.
        """
        has_values = self._scalars.count or self._lists or self._mappings
        column_type = None if has_values else declared
        column_type = column_type or self._infer_type()
        if column_type is None:
            if self._invalid is not None:
                raise ValueError(
                    f"Column {self.name!r} has no common type: {self._invalid}. Convert its "
                    "values to one type: text, numbers, booleans, dates, lists or dictionaries."
                )
            return _create_text_column(self.name, self._longest_text)
        column = _create_column(self.name, column_type)
        if column_type not in cell_codec.ITEM_TYPES:
            return column
        longest = self._items.longest_text
        if column_type is ColumnType.STRING_LIST:
            column["maximumSize"] = _suggest_size(longest)
        if self._longest_list > _MAX_LIST_LENGTH or longest > _MAX_STRING_SIZE:
            return _create_column(self.name, ColumnType.JSON)
        column["maximumListLength"] = max(2, self._longest_list)
        return column

    def _measure(self, value: Any) -> None:
        """Record the length of a value as text."""
        try:
            length = cell_values.utf16_length(cell_values.to_text(value))
        except ValueError as error:
            self._invalid = self._invalid or f"{value!r:.60} {error}"
        else:
            self._longest_text = max(self._longest_text, length)

    def _infer_type(self) -> ColumnType | None:
        """Return the common type of the values; None for strings and mixed types."""
        if self._scalars.count:
            is_scalar = not (self._lists or self._mappings)
            return self._scalars.get_type() if is_scalar else None
        if self._mappings:
            return ColumnType.JSON
        if self._lists:
            return self._infer_list_type()
        return ColumnType.DOUBLE if self._has_nan else None

    def _infer_list_type(self) -> ColumnType:
        """Return the type of the lists; JSON if items are mixed or missing."""
        items = self._items
        if items.texts == items.count:
            return ColumnType.STRING_LIST
        by_item = {item: column_type for column_type, item in cell_codec.ITEM_TYPES.items()}
        item_type = None if self._has_missing_items else items.get_type()
        return ColumnType.JSON if item_type is None else by_item.get(item_type, ColumnType.JSON)


class _ScalarKinds:
    """Numbers of scalar values by their Python types."""

    def __init__(self) -> None:
        self.count = self.texts = self.longest_text = 0
        self._booleans = self._dates = self._integers = self._floats = 0
        self._are_exact = self._are_int64 = True

    def add(self, value: Any) -> None:
        """Add a value."""
        self.count += 1
        if isinstance(value, str):
            self.texts += 1
            self.longest_text = max(self.longest_text, cell_values.utf16_length(value))
        elif isinstance(value, bool):
            self._booleans += 1
        elif isinstance(value, date):
            self._dates += 1
        elif isinstance(value, float):
            self._floats += 1
        elif isinstance(value, int):
            self._integers += 1
            self._are_exact = self._are_exact and value in _EXACT_RANGE
            self._are_int64 = self._are_int64 and value in _INT64_RANGE

    def get_type(self) -> ColumnType | None:
        """Return the common type of the values; None for strings and mixed types."""
        count = self.count
        if not count or count == self._booleans:
            return ColumnType.BOOLEAN if count else None
        if count == self._dates:
            return ColumnType.DATE
        if count == self._integers:
            return ColumnType.INTEGER if self._are_int64 else None
        is_number = count == self._integers + self._floats
        return ColumnType.DOUBLE if is_number and self._are_exact else None


def _create_text_column(name: str, longest: int) -> Column:
    if longest > _MAX_STRING_SIZE:
        return _create_column(name, ColumnType.LARGETEXT)
    return Column(name=name, columnType="STRING", maximumSize=_suggest_size(longest))


def _create_column(name: str, column_type: ColumnType) -> Column:
    column = Column(name=name)
    column["columnType"] = str(column_type)
    return column


def _to_list(value: Any) -> Any:
    """Convert a NumPy array, as in DataFrames read from Parquet files, to a list."""
    is_array = hasattr(value, "tolist") and not isinstance(value, memoryview)
    return [cell_values.to_builtin(one) for one in value] if is_array else value


def _suggest_size(longest: int) -> int:
    return min(_MAX_STRING_SIZE, max(_MIN_STRING_SIZE, longest * 3 // 2))
