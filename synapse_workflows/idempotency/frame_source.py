"""Rows of DataFrames (pandas, polars) and Arrow tables, whose libraries are optional."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model import dataframes
from synapse_workflows.client.model.column_inference import parse_dtype
from synapse_workflows.constants import ColumnType
from synapse_workflows.idempotency.parquet_source import BATCH_ROWS, iter_batch_rows
from synapse_workflows.idempotency.row_source import RowSource
from synapse_workflows.idempotency.value_source import RecordRowSource, SequenceRowSource


class _Repeatable:
    """Rows that can be iterated several times.

    Args:
        read: Returns a new iterator over the rows.
    """

    def __init__(self, read: Callable[[], Iterator[Sequence[Any]]]) -> None:
        self._read = read

    def __iter__(self) -> Iterator[Sequence[Any]]:
        return self._read()


class _NullableRowSource(SequenceRowSource):
    """Rows of a library that tells NaN from null."""

    has_nan = True


def is_frame(value: Any) -> bool:
    """Return whether a value is a pandas or polars DataFrame, or a pyarrow Table or RecordBatch.

    No library is imported.
    """
    return _find_factory(value) is not None


def create_frame_source(frame: Any, label: str) -> RowSource:
    """Create the source for the rows of a DataFrame or an Arrow table.

    Columns are the columns of the frame. The named levels of a pandas index are columns, too;
    levels without a name are ignored.

    Args:
        frame: A value for which `is_frame` is true.
        label: Name of the source in error messages.
    """
    factory = _find_factory(frame)
    if factory is None:
        raise TypeError(f"{label} is not a DataFrame: {type(frame).__name__}")
    return factory(frame, label)


def _find_factory(value: Any) -> Callable[[Any, str], RowSource] | None:
    for python_type in type(value).__mro__:
        factory = _FACTORIES.get((python_type.__module__.partition(".")[0], python_type.__name__))
        if factory is not None:
            return factory
    return None


def _create_pandas_source(frame: Any, label: str) -> RowSource:
    if frame.columns.nlevels > 1:
        raise AirflowFailException(
            f"Invalid {label}: the DataFrame has {frame.columns.nlevels} levels of column names, "
            f"such as {frame.columns[0]!r}. Flatten them, for example: "
            "frame.columns = ['_'.join(names) for names in frame.columns]"
        )
    if not len(frame) and not len(frame.columns):
        return RecordRowSource([], label=label)
    named = [name for name in frame.index.names if name is not None]
    new = [name for name in named if not _is_copied(frame, name)]
    if new:
        frame = frame.reset_index(level=new, allow_duplicates=True)
    if not len(frame.columns):
        raise AirflowFailException(
            f"Invalid {label}: the DataFrame has {len(frame)} rows, but no columns and no named "
            "index"
        )
    rows = _Repeatable(lambda: dataframes.split_dataframe(frame, row_ids=False)[1])
    return SequenceRowSource(rows, list(frame.columns), label, _parse_types(frame.dtypes))


def _is_copied(frame: Any, name: Any) -> bool:
    """Return whether a column has the name and the values of a level of the index."""
    if name not in frame.columns:
        return False
    values = frame[name]
    return values.ndim == 1 and list(values) == list(frame.index.get_level_values(name))


def _create_polars_source(frame: Any, label: str) -> RowSource:
    if not frame.width:
        return RecordRowSource([], label=label)
    rows = _Repeatable(frame.iter_rows)
    return _NullableRowSource(rows, frame.columns, label, _parse_types(frame.dtypes))


def _create_arrow_source(table: Any, label: str) -> RowSource:
    names = list(table.schema.names)
    if not names and not table.num_rows:
        return RecordRowSource([], label=label)

    def read() -> Iterator[Sequence[Any]]:
        starts = range(0, table.num_rows, BATCH_ROWS)
        return iter_batch_rows(table.slice(start, BATCH_ROWS) for start in starts)

    return _NullableRowSource(_Repeatable(read), names, label, _parse_types(table.schema.types))


def _parse_types(dtypes: Iterable[Any]) -> list[ColumnType | None]:
    return [parse_dtype(dtype) for dtype in dtypes]


_FACTORIES: Final = {
    ("pandas", "DataFrame"): _create_pandas_source,
    ("polars", "DataFrame"): _create_polars_source,
    ("pyarrow", "Table"): _create_arrow_source,
    ("pyarrow", "RecordBatch"): _create_arrow_source,
}
