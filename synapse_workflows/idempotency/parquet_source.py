"""Parquet files of rows to store in a table, read in batches. Requires pyarrow."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model.column_inference import parse_dtype
from synapse_workflows.constants import ColumnType
from synapse_workflows.idempotency.value_source import ValueRowSource

#: First bytes of a Parquet file.
PARQUET_MAGIC: Final = b"PAR1"
#: Rows converted at a time.
BATCH_ROWS: Final = 1000
#: Read buffer of a column, in bytes.
_BUFFER_SIZE: Final = 1 << 18


class ParquetRowSource(ValueRowSource):
    """A Parquet file, whose values are converted to the types of the table's columns.

    Args:
        path: The file.

    Raises:
        AirflowFailException: See `RowSource`; or pyarrow is not installed.
    """

    has_nan = True

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path

    def _read_header(self) -> Sequence[str]:
        with self._open() as file:
            names: list[str] = file.schema_arrow.names
            return names

    def read_types(self) -> Sequence[ColumnType | None]:
        """Return the types of columns without values."""
        with self._open() as file:
            return [parse_dtype(one) for one in file.schema_arrow.types]

    def _read_cells(self) -> Iterator[Sequence[Any]]:
        with self._open() as file:
            yield from iter_batch_rows(file.iter_batches(batch_size=BATCH_ROWS))

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


def iter_batch_rows(batches: Iterable[Any]) -> Iterator[Sequence[Any]]:
    """Yield the rows of Arrow batches as Python values; maps are dictionaries."""
    for batch in batches:
        columns = [column.to_pylist(maps_as_pydicts="strict") for column in batch.columns]
        yield from zip(*columns, strict=True)
