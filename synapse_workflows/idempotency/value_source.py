"""Sources of rows of Python values, which are converted to the types of the table's columns."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import tee
from pathlib import Path
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model import cell_codec
from synapse_workflows.client.model.cell_values import is_missing
from synapse_workflows.client.model.columns import get_column_type
from synapse_workflows.client.model.csv_dialect import CsvRow
from synapse_workflows.client.model.csv_io import open_csv
from synapse_workflows.client.model.row_batches import encode_rows
from synapse_workflows.client.model.rows import serialize_cells
from synapse_workflows.constants import ColumnType
from synapse_workflows.idempotency.row_source import IncompleteRow, RowSource


class ValueRowSource(RowSource):
    """Rows of Python values.

    None, `NA` and `NaT` are empty cells. NaN is an empty cell too, unless `has_nan`.
    """

    #: Whether NaN in a DOUBLE column is stored as NaN, because the source has another null.
    has_nan: bool = False
    has_text_cells = False

    def _read_rows(self) -> Iterator[CsvRow]:
        return self._serialize(self._read_cells())

    def _serialize(self, rows: Iterable[Sequence[Any]]) -> Iterator[CsvRow]:
        """Yield rows as text.

        Raises:
            AirflowFailException: A row has the wrong number of values, or a value does not match
                its column.
        """
        writers = [self._create_writer(column) for column in self.columns]

        def serialize_row(number: int, values: Sequence[Any]) -> CsvRow:
            if len(values) != len(writers):
                raise AirflowFailException(
                    f"Row {number} of {self.label} has {len(values)} values for "
                    f"{len(writers)} columns: {values!r:.100}. The columns are {list(self.names)}"
                )
            try:
                return serialize_cells(number, values, writers, self.names)
            except ValueError as error:
                raise AirflowFailException(f"{self.label}: {error}") from error

        lines = encode_rows(rows, self.columns, writers, serialize_row)
        for number, line in enumerate(lines, 1):
            if not "".join(filter(None, line)).isascii():
                self._check_encoding(number, line)
            yield line

    def _create_writer(self, column: Mapping[str, Any]) -> cell_codec.CellWriter:
        write = cell_codec.create_writer(column)
        if self.has_nan or get_column_type(column) is not ColumnType.DOUBLE:
            return write
        return lambda value: None if is_missing(value) else write(value)

    def _check_encoding(self, number: int, line: CsvRow) -> None:
        for name, cell in zip(self.names, line, strict=True):
            try:
                (cell or "").encode()
            except UnicodeEncodeError as error:
                raise AirflowFailException(
                    f"{self.label}: Row {number}, column {name!r}: {cell!a:.60} contains a lone "
                    "surrogate, which cannot be encoded as UTF-8. Decode the text with its "
                    "original encoding, or remove the character"
                ) from error


class SequenceRowSource(ValueRowSource):
    """Rows that are sequences of values.

    Args:
        rows: The rows; can be iterated several times.
        columns: Names of the columns.
        label: Name of the source in error messages.
        types: Types of columns without values; empty if they are not known.
    """

    def __init__(
        self,
        rows: Iterable[Sequence[Any]],
        columns: Sequence[str],
        label: str = "rows",
        types: Sequence[ColumnType | None] = (),
    ) -> None:
        super().__init__(label)
        self.rows = rows
        self._columns = columns
        self._types = types

    def read_types(self) -> Sequence[ColumnType | None]:
        """Return the types of columns without values."""
        return self._types

    def _read_header(self) -> Sequence[str]:
        return self._columns

    def _read_cells(self) -> Iterator[Sequence[Any]]:
        return iter(self.rows)


class RecordRowSource(ValueRowSource):
    """Rows that are mappings of column names to values.

    A missing name is an empty cell if `columns` is given. Otherwise the row has no value for the
    column (`IncompleteRow`).

    Args:
        rows: The rows; can be iterated several times.
        columns: Names of the columns; None for the names in all rows, in order of occurrence.
        label: Name of the source in error messages.
    """

    has_optional_columns = True

    def __init__(
        self,
        rows: Iterable[Mapping[Any, Any]],
        columns: Sequence[str] | None = None,
        label: str = "rows",
    ) -> None:
        super().__init__(label)
        self.rows = rows
        self._columns = columns
        self._keys: list[Any] = []

    def _read_header(self) -> Sequence[Any] | None:
        keys: dict[Any, None] = dict.fromkeys(self._columns or ())
        number = 0
        for number, row in enumerate(self.rows, 1):
            if row.keys() <= keys.keys():
                continue
            if self._columns is not None:
                raise AirflowFailException(
                    f"Row {number} of {self.label} has values for "
                    f"{[key for key in row if key not in keys]}, which are not in "
                    f"columns={list(self._columns)}"
                )
            keys |= dict.fromkeys(row)
        self._keys = list(keys)
        return None if number == 0 and not keys else self._keys

    def _read_cells(self) -> Iterator[Sequence[Any]]:
        return self._to_values(self.rows)

    def _to_values(self, rows: Iterable[Mapping[Any, Any]]) -> Iterator[Sequence[Any]]:
        keys = self._keys
        return ([row.get(key) for key in keys] for row in rows)

    def _read_rows(self) -> Iterator[CsvRow]:
        if self._columns is not None:
            yield from super()._read_rows()
            return
        rows, same_rows = tee(self.rows)
        for line, row in zip(self._serialize(self._to_values(rows)), same_rows, strict=True):
            if len(row) == len(line):
                yield line
            else:
                yield IncompleteRow(line, [i for i, k in enumerate(self._keys) if k not in row])


class JsonLinesFile:
    """Rows of a file with one JSON object per line; the file may be compressed by gzip.

    Args:
        path: The file, in UTF-8.

    Raises:
        ValueError: On iteration: a line is not a JSON object, or has a name more than once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with open_csv(self.path) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield self._parse(number, line)

    @staticmethod
    def _parse(number: int, line: str) -> dict[str, Any]:
        try:
            row = _JSON.decode(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"line {number} is not valid JSON ({error}): {line.strip()!r:.60}. Write one "
                "JSON object per line"
            ) from None
        if not isinstance(row, dict):
            raise ValueError(  # noqa: TRY004 - the content of the file is invalid
                f"line {number} is not a JSON object: {line.strip()!r:.60}. Write one JSON "
                "object per line, not one array"
            )
        return row


def _unique_names(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"duplicate names {sorted({n for n in names if names.count(n) > 1})}")
    return values


_JSON: Final = json.JSONDecoder(object_pairs_hook=_unique_names)
