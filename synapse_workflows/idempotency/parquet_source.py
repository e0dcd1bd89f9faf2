"""Parquet files of rows to store in a table, read in batches. Requires pyarrow."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model import cell_codec
from synapse_workflows.client.model.csv_dialect import CsvRow
from synapse_workflows.idempotency.row_source import RowSource

#: First bytes of a Parquet file.
_MAGIC: Final = b"PAR1"
_BATCH_ROWS: Final = 1000
#: Read buffer of a column, in bytes.
_BUFFER_SIZE: Final = 1 << 18


def is_parquet(path: Path) -> bool:
    """Return whether a file starts with the Parquet signature."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


class ParquetRowSource(RowSource):
    """A Parquet file, whose values are converted to the types of the table's columns.

    Args:
        path: The file.
        columns: Columns of the table.

    Raises:
        AirflowFailException: See `RowSource`; or pyarrow is not installed.
    """

    def _read_header(self) -> Sequence[str]:
        with self._open() as file:
            names: list[str] = file.schema_arrow.names
            return names

    def _read_rows(self) -> Iterator[CsvRow]:
        writers = [cell_codec.create_writer(column) for column in self.columns]
        number = 0
        with self._open() as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                columns = [column.to_pylist(maps_as_pydicts="strict") for column in batch.columns]
                for row in zip(*columns, strict=True):
                    number += 1
                    yield self._to_text(number, row, writers)

    def _to_text(
        self, number: int, row: Sequence[Any], writers: Sequence[cell_codec.CellWriter]
    ) -> CsvRow:
        line: CsvRow = []
        for write, value in zip(writers, row, strict=True):
            try:
                line.append(write(value))
            except ValueError as error:
                raise AirflowFailException(
                    f"Row {number} of {self.path}, column {self.names[len(line)]!r}: "
                    f"{value!r:.100} {error}"
                ) from error
        return line

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            from pyarrow import parquet
        except ImportError as error:
            raise AirflowFailException(
                f"Reading the Parquet file {self.path} requires pyarrow: "
                "pip install 'synapse-workflows[parquet]'"
            ) from error
        # no pre-buffering: it loads whole columns of a row group, and a file may be one row group
        with parquet.ParquetFile(self.path, buffer_size=_BUFFER_SIZE, pre_buffer=False) as file:
            yield file
