"""CSV files of rows to store in a table."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from synapse_workflows.client.model.csv_dialect import CsvDialect, CsvRow
from synapse_workflows.client.model.csv_io import open_csv
from synapse_workflows.idempotency.row_source import RowSource


class CsvRowSource(RowSource):
    """A CSV file with a header; the file may be compressed by gzip.

    The first iteration over the rows continues where the header ends, so that an append reads the
    file once.

    Args:
        path: The file.
        dialect: CSV dialect of the file.
        label: Name of the source in error messages; the default is the path.
    """

    def __init__(self, path: Path, dialect: CsvDialect, label: str | None = None) -> None:
        super().__init__(label or str(path))
        self.path = path
        self.dialect = dialect
        self._started: Iterator[CsvRow] | None = None

    def _read_header(self) -> Sequence[str]:
        self._started = self._parse()
        return [name or "" for name in next(self._started, None) or ()]

    def _read_cells(self) -> Iterator[Sequence[Any]]:
        return self._read_rows()

    def _read_rows(self) -> Iterator[CsvRow]:
        is_single = len(self.read_header() or ()) == 1
        lines, self._started = self._started, None
        if lines is None:
            lines = self._parse()
            next(lines, None)
        # an empty line is a null in a file with one column, and is ignored in other files
        yield from (line for line in lines if is_single or line != [None])

    def _parse(self) -> Iterator[CsvRow]:
        with open_csv(self.path) as file:
            yield from self.dialect.parse_rows(file)
