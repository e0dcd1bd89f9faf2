"""Rows that come in a Parquet file, read some at a time. Needs pyarrow."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model import cell_codec
from synapse_workflows.client.model.csv_dialect import CsvRow
from synapse_workflows.idempotency.row_source import RowSource

#: With these four letters every Parquet file begins.
_MAGIC: Final = b"PAR1"
_ROWS: Final = 1000
#: Bytes of a column that are read at once.
_BUFFER: Final = 1 << 18


def is_parquet(path: Path) -> bool:
    """Tell a Parquet file by how it begins."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


class ParquetRowSource(RowSource):
    """A Parquet file, whose values are written as those of the table's columns.

    Args:
        path: the file.
        columns: of the table.

    Raises:
        AirflowFailException: As for `Source`; or pyarrow is not installed.
    """

    def _header(self) -> Sequence[str]:
        with self._opened() as file:
            names: list[str] = file.schema_arrow.names
            return names

    def _lines(self) -> Iterator[CsvRow]:
        writers = [cell_codec.create_writer(column) for column in self.columns]
        number = 0
        with self._opened() as file:
            for batch in file.iter_batches(batch_size=_ROWS):
                columns = [column.to_pylist() for column in batch.columns]
                for row in zip(*columns, strict=True):
                    number += 1
                    yield self._written(number, row, writers)

    def _written(
        self, number: int, row: Sequence[Any], writers: Sequence[cell_codec.CellWriter]
    ) -> CsvRow:
        line: CsvRow = []
        for write, value in zip(writers, row, strict=True):
            try:
                line.append(write(value))
            except ValueError as wrong:
                raise AirflowFailException(
                    f"Row {number} of {self.path}, column {self.names[len(line)]!r}: "
                    f"{value!r:.100} {wrong}"
                ) from wrong
        return line

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            from pyarrow import parquet
        except ImportError as missing:
            raise AirflowFailException(
                f"{self.path} is a Parquet file, and reading those needs pyarrow: "
                "pip install 'synapse-workflows[parquet]'"
            ) from missing
        # else pyarrow holds whole columns of a group of rows, which may be all of the file
        with parquet.ParquetFile(self.path, buffer_size=_BUFFER, pre_buffer=False) as file:
            yield file
