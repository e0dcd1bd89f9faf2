"""CSV files in Synapse whose rows are to be stored together."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, Final
from uuid import uuid4

from synapse_workflows.client.api import table_transactions
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.csv_dialect import CsvRow
from synapse_workflows.client.transfer import upload
from synapse_workflows.client.transfer.progress import human
from synapse_workflows.constants import MiB
from synapse_workflows.idempotency.row_source import SYNAPSE_CSV, row_serializer

#: Bytes of one file; Synapse takes 1 GiB.
_MAX_FILE: Final = 256 * MiB
#: Seconds between two lines about how far it is.
_SECONDS: Final = 10.0


class RowUpload:
    """Uploads rows, some at a time, and holds on to the files that one transaction needs.

    The first file has a name that no other has: deleting that file undoes a transaction that has
    not begun. The others are known again by their content, so a retry does not send them again.

    Args:
        client: makes the calls.
        table: as `syn123`.
        rows_at_once: rows in one file, at most.
        tell: writes a line of progress.
        clock: tells seconds.
    """

    def __init__(
        self,
        client: Session,
        table: str,
        rows_at_once: int,
        tell: Callable[..., object],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.client = client
        self.table = table
        self.rows_at_once = max(rows_at_once, 1)
        self.handles: list[str] = []
        self._tell = tell
        self._clock = clock
        self._told_at = clock()
        self.rows = self.size = 0

    def send(
        self,
        names: Sequence[str],
        lines: Iterable[CsvRow],
        heard: Callable[[bytes], object] = bytes,
    ) -> int:
        """Upload rows.

        Args:
            names: of the columns.
            lines: the rows.
            heard: is given each row as it is written.

        Returns:
            How many.
        """
        header, write = row_serializer(names)
        rest, count = (write(line) for line in lines), 0
        for first in rest:
            with TemporaryDirectory(prefix="synapse-") as folder:
                path = Path(folder) / ("rows.csv" if self.handles else f"rows-{uuid4().hex}.csv")
                rows = self._write(path, header, chain([first], rest), heard)
                self._upload(path, rows)
            count += rows
        return count

    def changes(self) -> list[dict[str, Any]]:
        """Give what a transaction does with the files."""
        return [self.change(self.table, handle) for handle in self.handles]

    @staticmethod
    def change(table: str, handle: str) -> dict[str, Any]:
        """Make an UploadToTableRequest."""
        descriptor = SYNAPSE_CSV.to_descriptor(header=True)
        return table_transactions.upload_request(table, handle, descriptor)

    def _write(
        self,
        path: Path,
        header: bytes,
        lines: Iterator[bytes],
        heard: Callable[[bytes], object],
    ) -> int:
        """Write rows into a file until it is full; leave the others."""
        rows = size = 0
        with path.open("wb") as file:
            file.write(header)
            for line in lines:
                heard(line)
                file.write(line)
                rows += 1
                size += len(line)
                if rows >= self.rows_at_once or size >= _MAX_FILE:
                    break
        return rows

    def _upload(self, path: Path, rows: int) -> None:
        self.size += path.stat().st_size
        self.rows += rows
        uploaded = upload.upload_file(self.client, path, content_type="text/csv")
        self.handles.append(uploaded.file_handle_id)
        if self._clock() - self._told_at >= _SECONDS:
            self._told_at = self._clock()
            self._tell("%s: %d rows sent so far, %s", self.table, self.rows, human(self.size))
