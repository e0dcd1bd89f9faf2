"""Encoding and decoding of rows in batches, with the results of `cell_codec` for single cells."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from types import NoneType
from typing import Any, Final

from synapse_workflows.client.model import cell_codec
from synapse_workflows.client.model.cell_codec import CellWriter
from synapse_workflows.client.model.columns import get_column_type
from synapse_workflows.client.model.csv_dialect import CsvBlock, CsvRow
from synapse_workflows.constants import ColumnType

#: Encodes the cells of a column; returns None if they have to be encoded one by one.
_ColumnEncoder = Callable[[Sequence[Any]], list[str | None] | None]

_BATCH_ROWS: Final = 256
#: Classes whose values never change, so that a row with such values can be encoded later.
_PLAIN: Final = frozenset({NoneType, bool, int, float, str, Decimal, date, datetime})
#: Types of cells that may be objects that the caller changes for the next row.
_NESTED: Final = frozenset({*cell_codec.ITEM_TYPES, ColumnType.JSON})


def encode_rows(
    rows: Iterable[Any],
    columns: Sequence[Mapping[str, Any]],
    writers: Sequence[CellWriter],
    encode_row: Callable[[int, Any], CsvRow],
) -> Iterator[CsvRow]:
    """Yield rows as text. A row that is not valid is passed to `encode_row` after those before it.

    The caller may change a row, and the values in it, after the next row is requested.

    Args:
        rows: The rows.
        columns: The columns, mappings with `columnType`.
        writers: Writers of the cells of the columns.
        encode_row: Encodes a row of any form, given its number, starting at 1; raises the error
            for an invalid row.
    """
    kinds = [get_column_type(column) for column in columns]
    encoder = _BatchEncoder([*map(_create_encoder, columns)], writers, encode_row)
    nested = [index for index, kind in enumerate(kinds) if kind in _NESTED]
    size = 1 if ColumnType.LARGETEXT in kinds else _BATCH_ROWS
    batch: list[list[Any]] = []
    number = 0
    for number, row in enumerate(rows, 1):
        copy = _copy_row(row, writers, nested) if size > 1 else None
        if copy is not None:
            batch.append(copy)
            if len(batch) < size:
                continue
        if batch:
            yield from encoder.encode(batch, number - len(batch) + (copy is not None))
            batch.clear()
        if copy is None:
            yield encode_row(number, row)
    yield from encoder.encode(batch, number - len(batch) + 1)


def read_rows(
    blocks: Iterable[CsvBlock], columns: Sequence[Mapping[str, Any]], path: str
) -> Iterator[list[Any]]:
    """Yield the values of rows. A row with fewer cells than columns is completed with nulls.

    Args:
        blocks: The rows.
        columns: The columns, mappings with `columnType`.
        path: The file of the rows, for error messages.

    Raises:
        ValueError: A row has more cells than columns, or a cell is invalid.
    """
    readers = [*map(cell_codec.create_reader, columns)]
    column_readers = [*map(cell_codec.create_column_reader, columns)]
    count = 0
    for block in blocks:
        values = None
        if block.columns is not None and len(block.columns) == len(columns):
            with suppress(ValueError, TypeError):  # raised below, after the rows before it
                pairs = zip(column_readers, block.columns, strict=True)
                values = [read(texts) for read, texts in pairs]
        if values is not None:
            yield from map(list, zip(*values, strict=True))
            count += len(values[0]) if values else 0
            continue
        for count, row in enumerate(block.iter_rows(), count + 1):  # noqa: B020
            missing = len(readers) - len(row)
            if missing < 0:
                raise ValueError(
                    f"Row {count} of {path} has {len(row)} cells for {len(readers)} columns. "
                    "Check the row, the separator and the quotes."
                )
            padded = [*row, *([None] * missing)] if missing else row
            yield [read(cell) for read, cell in zip(readers, padded, strict=True)]


def _copy_row(row: Any, writers: Sequence[CellWriter], nested: Sequence[int]) -> list[Any] | None:
    """Return the values of a row, with encoded lists; None if the row cannot be encoded later."""
    if (type(row) is not list and type(row) is not tuple) or len(row) != len(writers):
        return None
    copy = list(row)
    try:
        for index in nested:
            copy[index] = writers[index](copy[index])
    except ValueError:
        return None
    return copy if _PLAIN.issuperset(map(type, copy)) else None


class _BatchEncoder:
    """Encoder of batches of rows, column by column.

    Args:
        encoders: Encoders of the columns; None for columns whose cells are encoded one by one.
        writers: Writers of the cells.
        encode_row: Encodes a row; raises the error for an invalid row.
    """

    def __init__(
        self,
        encoders: Sequence[_ColumnEncoder | None],
        writers: Sequence[CellWriter],
        encode_row: Callable[[int, Any], CsvRow],
    ) -> None:
        self._encoders = encoders
        self._writers = writers
        self._encode_row = encode_row

    def encode(self, rows: Sequence[Sequence[Any]], first: int) -> Iterator[CsvRow]:
        """Yield rows as text; `first` is the number of the first row."""
        try:
            columns = [
                self._encode_column(index, values)
                for index, values in enumerate(zip(*rows, strict=True))
            ]
        except ValueError:
            yield from (self._encode_row(number, row) for number, row in enumerate(rows, first))
        else:
            yield from map(list, zip(*columns, strict=True))

    def _encode_column(self, index: int, values: Sequence[Any]) -> list[str | None]:
        encode = self._encoders[index]
        texts = None if encode is None else encode(values)
        return list(map(self._writers[index], values)) if texts is None else texts


def _create_encoder(column: Mapping[str, Any]) -> _ColumnEncoder | None:
    """Create the encoder of a column; return None for types without one."""
    kind = get_column_type(column)
    if kind in _NESTED:
        return list  # already encoded
    if kind in cell_codec.TEXT_TYPES:
        limit = cell_codec.get_size_limit(kind, column)
        # A character has at most two UTF-16 code units.
        return _create_exact_encoder(
            str, str, lambda texts: limit is None or 2 * max(map(len, texts)) <= limit
        )
    if kind in {ColumnType.INTEGER, ColumnType.DATE}:
        return _create_exact_encoder(int, str, _are_safe_integers)
    if kind is ColumnType.DOUBLE:
        return _create_exact_encoder(float, repr, lambda values: all(map(isfinite, values)))
    if kind is ColumnType.BOOLEAN:
        return _create_exact_encoder(bool, _BOOLEANS.__getitem__, lambda _: True)
    return None


_BOOLEANS: Final = {True: "true", False: "false"}


def _are_safe_integers(values: Sequence[int]) -> bool:
    limit = cell_codec.SAFE_INTEGER
    return -limit < min(values) and max(values) < limit


def _create_exact_encoder(
    python_type: type, to_text: Callable[[Any], str], are_common: Callable[[Sequence[Any]], bool]
) -> _ColumnEncoder:
    """Create an encoder of columns with values of one class, and nulls."""

    def encode(values: Sequence[Any]) -> list[str | None] | None:
        types = {*map(type, values)}
        has_nulls = NoneType in types
        present = [value for value in values if value is not None] if has_nulls else values
        if not types <= {python_type, NoneType} or (present and not are_common(present)):
            return None
        if has_nulls:
            return [None if value is None else to_text(value) for value in values]
        return list(map(to_text, values))

    return encode
