"""Temporary storage of rows until the columns of their table are known."""

import os
import pickle
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from synapse_workflows.client.model import cell_codec
from synapse_workflows.client.model.column_mapping import RowSerializer, TableRows
from synapse_workflows.client.model.disk_space import explain_full_disk
from synapse_workflows.client.model.rows import to_row_values
from synapse_workflows.constants import ROW_ID


class RowSpool:
    """Rows in a temporary file; iteration reads one row at a time.

    Args:
        rows: Lists of values, `Row` objects, or mappings of column names to values.

    Raises:
        ValueError: A row is neither a list nor a mapping, or lists and mappings are mixed.
    """

    def __init__(self, rows: Iterable[Any]) -> None:
        handle, name = tempfile.mkstemp(prefix="synapse_rows_")
        self._path = Path(name)
        weakref.finalize(self, self._path.unlink, missing_ok=True)
        #: Keys of all mappings, in order of first occurrence; None for lists of values.
        self.names: list[str] | None = None
        with explain_full_disk(name), os.fdopen(handle, "wb") as file:
            for number, row in enumerate(rows, 1):
                values = to_row_values(number, row)
                self._add_names(number, values)
                self._write(file, number, values)

    def _add_names(self, number: int, values: list[Any] | dict[str, Any]) -> None:
        if number == 1 and isinstance(values, dict):
            self.names = []
        if isinstance(values, dict) != (self.names is not None):
            raise ValueError(
                f"Row {number} is a {type(values).__name__}, unlike the rows before it: pass "
                "either lists of values, or mappings of column names to values."
            )
        if self.names is not None:
            self.names += [name for name in values if name not in self.names]

    def _write(self, file: BinaryIO, number: int, values: list[Any] | dict[str, Any]) -> None:
        try:
            content = pickle.dumps(values)
        except Exception:  # noqa: BLE001 - depends on the classes of the values
            # Objects that cannot be pickled have the same text for all column types.
            content = pickle.dumps(_to_texts(number, values))
        file.write(content)

    def __iter__(self) -> Iterator[list[Any] | dict[str, Any]]:
        with self._path.open("rb") as file:
            while True:
                try:
                    yield pickle.load(file)  # noqa: S301 - written by this object
                except EOFError:
                    return


@dataclass(frozen=True)
class PendingRows:
    """Rows of a table whose columns are not known yet.

    Args:
        rows: The rows.
        names: Names of the columns of the rows; None for the columns of the table in order.
        headers: Headers of the rows, if specified by the caller.
        row_ids: Whether lists of values start with the ID and version of the row.
    """

    rows: RowSpool
    names: Sequence[str] | None
    headers: Iterable[Mapping[str, Any]] | None = None
    row_ids: bool = False

    @property
    def has_row_ids(self) -> bool:
        """Whether the rows have row IDs, so that they update existing rows."""
        return self.row_ids or ROW_ID in (self.names or ())

    def create_serializer(self, table: TableRows) -> RowSerializer:
        """Create a serializer from the known columns of the table."""
        first = list(islice(self.rows, 1))
        return RowSerializer.create(
            table, self.names, self.headers, row_ids=self.row_ids, first=first
        )


def _to_texts(number: int, values: list[Any] | dict[str, Any]) -> list[Any] | dict[str, Any]:
    write = cell_codec.create_writer({})
    try:
        if isinstance(values, dict):
            return {name: write(value) for name, value in values.items()}
        return [write(value) for value in values]
    except ValueError as error:
        raise ValueError(f"Row {number}: a value {error}") from None
