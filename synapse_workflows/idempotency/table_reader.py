"""Queries of the table that a task writes to. These queries are not recorded as lineage."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from synapse_workflows.client.api import columns as table_columns
from synapse_workflows.client.model.csv_dialect import CsvRow
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.constants import ROW_ID
from synapse_workflows.idempotency.row_source import SYNAPSE_CSV
from synapse_workflows.lineage.lineage_client import LineageClient


class TableReader:
    """Reads the current rows of one table.

    Args:
        client: Sends the requests.
        table_id: `syn123`.
    """

    def __init__(self, client: LineageClient, table_id: str) -> None:
        self.client = client
        self.table_id = table_id
        #: Etag of the rows that the last query read.
        self.etag: str | None = None

    @contextmanager
    def download(self, select: str, rest: str = "", *, row_ids: bool = False) -> Iterator[Path]:
        """Run a query and provide its result as a CSV file inside the block.

        Args:
            select: The select list, as SQL.
            rest: The SQL after the name of the table.
            row_ids: Whether each row starts with its ROW_ID and ROW_VERSION.
        """
        sql = f"select {select} from {self.table_id} {rest}"  # noqa: S608 - built here
        with TemporaryDirectory(prefix="synapse-") as folder:
            yield self._download(sql, folder, row_ids=row_ids)

    @contextmanager
    def query(
        self, select: str, rest: str = "", *, row_ids: bool = False
    ) -> Iterator[Iterator[CsvRow]]:
        """Run a query as `download` does, and provide its rows as text inside the block."""
        with (
            self.download(select, rest, row_ids=row_ids) as path,
            path.open(encoding="utf-8", newline="") as file,
        ):
            lines = SYNAPSE_CSV.parse_rows(file)
            next(lines, None)
            yield lines

    def columns(self) -> list[Mapping[str, Any]]:
        """Return the columns of the table."""
        return list(table_columns.getTableColumns(self.client, self.table_id))

    def has_changed(self) -> bool:
        """Return whether the rows have changed since the last query."""
        etag = self.etag
        with self.query(f"max({ROW_ID})"):
            return self.etag != etag

    def max_row_id(self) -> int:
        """Return the highest row ID; 0 for a table without rows."""
        with self.query(f"max({ROW_ID})") as lines:
            return next((int(line[0] or 0) for line in lines), 0)

    def count_after(self, row_id: int) -> int:
        """Count the rows with a higher row ID."""
        with self.query("count(*)", f"where {ROW_ID} > {row_id}") as lines:
            return next((int(line[0] or 0) for line in lines), 0)

    def _download(self, sql: str, folder: str, *, row_ids: bool) -> Path:
        with self.client.without_lineage():
            result = self.client.tableQuery(
                sql,
                includeRowIdAndRowVersion=row_ids,
                lineEnd=SYNAPSE_CSV.line_end,
                downloadLocation=folder,
            )
        if not isinstance(result, CsvFileTable):
            raise TypeError(f"tableQuery returned {type(result).__name__} for resultsAs='csv'")
        self.etag = result.etag
        return Path(result.filepath)


def quote_columns(names: Sequence[str]) -> str:
    """Return column names as a select list."""
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)
