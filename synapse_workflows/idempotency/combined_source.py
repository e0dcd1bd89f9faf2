"""Several sources of rows that are stored one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model.column_inference import ColumnInference
from synapse_workflows.client.model.csv_dialect import CsvRow
from synapse_workflows.constants import ColumnType
from synapse_workflows.idempotency.row_source import IncompleteRow, RowSource


class CombinedRowSource(RowSource):
    """Several sources with the same columns, whose rows are stored one after the other.

    Args:
        sources: The sources.
        label: Name of all sources in error messages.
    """

    def __init__(self, sources: Sequence[RowSource], label: str = "rows") -> None:
        super().__init__(label)
        self.sources = sources
        self.has_text_cells = any(source.has_text_cells for source in sources)

    def bind_columns(self, columns: Sequence[Mapping[str, Any]]) -> None:
        """Set the columns of the table.

        Raises:
            AirflowFailException: See `RowSource`; or the sources have different columns.
        """
        for source in self.sources:
            source.match_case = self.match_case
            source.bind_columns(columns)
        super().bind_columns(columns)
        self._orders = [self._order(source) for source in self.sources]

    def _iter_rows(self) -> Iterator[CsvRow]:
        return self._read_rows()  # the sources check their rows

    def add_cells(self, inferences: Mapping[str, ColumnInference], *, as_text: bool) -> int:
        """Add the cells of all sources to the inferences of their columns; return their number."""
        return sum(source.add_cells(inferences, as_text=as_text) for source in self.sources)

    def _read_header(self) -> Sequence[str] | None:
        headers = [
            header for source in self.sources if (header := source.read_header()) is not None
        ]
        return list(dict.fromkeys(chain.from_iterable(headers))) if headers else None

    def read_types(self) -> Sequence[ColumnType | None]:
        """Return the types that the sources declare."""
        types: dict[str, ColumnType | None] = {}
        for source in self.sources:
            types |= zip(source.read_header() or (), source.read_types(), strict=False)
        return [types.get(name) for name in self.read_header() or ()]

    def _order(self, source: RowSource) -> list[int | None]:
        """Return the positions of the cells in the rows of a source; None for a missing column.

        Raises:
            AirflowFailException: The source does not have a column that other sources have.
        """
        missing = [name for name in self.names if name not in source.names]
        if missing and not source.has_optional_columns:
            other = next(one for one in self.sources if missing[0] in one.names)
            raise AirflowFailException(
                f"{source.label} does not have the columns {missing}, but {other.label} has. "
                "Files that are stored together must have the same columns"
            )
        positions = {name: index for index, name in enumerate(source.names)}
        return [positions.get(name) for name in self.names]

    def _read_cells(self) -> Iterator[Sequence[Any]]:
        return self._read_rows()

    def _read_rows(self) -> Iterator[CsvRow]:
        for source, order in zip(self.sources, self._orders, strict=True):
            if order == list(range(len(source.names))):
                yield from source.iter_rows()
                continue
            for line in source.iter_rows():
                yield _reorder(line, order)


def _reorder(line: CsvRow, order: Sequence[int | None]) -> CsvRow:
    """Return the cells of a row in another order; None is a column that the row does not have."""
    cells = [None if index is None else line[index] for index in order]
    without = line.absent if isinstance(line, IncompleteRow) else ()
    absent = [at for at, index in enumerate(order) if index is None or index in without]
    return IncompleteRow(cells, absent) if absent else cells
