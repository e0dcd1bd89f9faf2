"""What a task asks of the table it writes to: no input of it, only a look at what is there."""

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
    """One table, as it is now.

    Args:
        client: makes the calls.
        table: as `syn123`.
    """

    def __init__(self, client: LineageClient, table: str) -> None:
        self.client = client
        self.table = table
        #: The state of the rows that the last answer showed.
        self.etag: str | None = None

    @contextmanager
    def asked(
        self, wanted: str, rest: str = "", *, row_ids: bool = False
    ) -> Iterator[Iterator[CsvRow]]:
        """Ask something; the answer, as lines of text, goes at the end.

        Args:
            wanted: columns, as SQL.
            rest: what comes after the table's name.
            row_ids: begin lines with their ids and versions.
        """
        sql = f"select {wanted} from {self.table} {rest}"  # noqa: S608 - our own words
        with TemporaryDirectory(prefix="synapse-") as folder:
            path = self._answered(sql, folder, row_ids=row_ids)
            with path.open(encoding="utf-8", newline="") as file:
                lines = SYNAPSE_CSV.parse_rows(file)
                next(lines, None)
                yield lines

    def columns(self) -> list[Mapping[str, Any]]:
        """List the columns."""
        return list(table_columns.getTableColumns(self.client, self.table))

    def has_changed(self) -> bool:
        """Tell whether the rows are others than those that the last answer showed."""
        before = self.etag
        with self.asked(f"max({ROW_ID})"):
            return self.etag != before

    def last_row_id(self) -> int:
        """Give the highest id of a row; 0 where there is none."""
        with self.asked(f"max({ROW_ID})") as lines:
            return next((int(line[0] or 0) for line in lines), 0)

    def count_after(self, row_id: int) -> int:
        """Count the rows with higher ids."""
        with self.asked("count(*)", f"where {ROW_ID} > {row_id}") as lines:
            return next((int(line[0] or 0) for line in lines), 0)

    def _answered(self, sql: str, folder: str, *, row_ids: bool) -> Path:
        with self.client.without_lineage():
            found = self.client.tableQuery(
                sql,
                includeRowIdAndRowVersion=row_ids,
                lineEnd=SYNAPSE_CSV.line_end,
                downloadLocation=folder,
            )
        if not isinstance(found, CsvFileTable):
            raise TypeError(f"a query as csv answered a {type(found).__name__}")
        self.etag = found.etag
        return Path(found.filepath)


def quote_columns(names: Sequence[str]) -> str:
    """Write names of columns as SQL."""
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)
