"""Upload of rows as CSV files for one table transaction."""

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
from synapse_workflows.client.model.disk_space import explain_full_disk
from synapse_workflows.client.transfer import upload
from synapse_workflows.client.transfer.progress import format_size
from synapse_workflows.constants import MiB
from synapse_workflows.idempotency.row_source import SYNAPSE_CSV, row_serializer

#: Maximum size of one file, in bytes; the limit of Synapse is 1 GiB.
_MAX_FILE_SIZE: Final = 256 * MiB
#: Seconds between two progress messages.
_LOG_INTERVAL: Final = 10.0


class RowUpload:
    """Uploader of rows as CSV files, which collects the file handles for one transaction.

    The name of the first file is unique. If that file is deleted, a transaction that has not
    started cannot run. The other files are identified by their content, so a retry does not
    upload them again.

    Args:
        client: Sends the requests.
        table_id: `syn123`.
        max_rows: Maximum number of rows in one file.
        log: Writes a progress message; takes a format string and its arguments.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        client: Session,
        table_id: str,
        max_rows: int,
        log: Callable[..., object],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.client = client
        self.table_id = table_id
        self.max_rows = max(max_rows, 1)
        self.file_handle_ids: list[str] = []
        self.rows = self.size = 0
        self._log = log
        self._clock = clock
        self._logged_at = clock()

    def upload(
        self,
        names: Sequence[str],
        lines: Iterable[CsvRow],
        on_row: Callable[[bytes], object] = bytes,
    ) -> int:
        """Upload rows.

        Args:
            names: Names of the columns.
            lines: The rows.
            on_row: Called with each serialized row.

        Returns:
            The number of rows.
        """
        header, serialize = row_serializer(names)
        return self.upload_serialized(header, (serialize(line) for line in lines), on_row)

    def upload_serialized(
        self,
        header: bytes,
        rows: Iterator[bytes],
        on_row: Callable[[bytes], object] = bytes,
    ) -> int:
        """Upload rows that are already serialized, as `upload` does.

        Args:
            header: The serialized header.
            rows: The serialized rows.
            on_row: Called with each row.
        """
        count = 0
        for first in rows:
            name = "rows.csv" if self.file_handle_ids else f"rows-{uuid4().hex}.csv"
            with TemporaryDirectory(prefix="synapse-") as folder:
                path = Path(folder, name)
                written = self._write(path, header, chain([first], rows), on_row)
                self._upload_file(path, written)
            count += written
        return count

    def changes(self) -> list[dict[str, Any]]:
        """Return the changes of a transaction that stores the uploaded files."""
        return [self.change(self.table_id, handle) for handle in self.file_handle_ids]

    @staticmethod
    def change(table_id: str, file_handle_id: str) -> dict[str, Any]:
        """Build the UploadToTableRequest of one file."""
        descriptor = SYNAPSE_CSV.to_descriptor(header=True)
        return table_transactions.upload_request(table_id, file_handle_id, descriptor)

    def _write(
        self,
        path: Path,
        header: bytes,
        lines: Iterator[bytes],
        on_row: Callable[[bytes], object],
    ) -> int:
        """Write rows to a file until the file is full; return the number of rows."""
        rows = size = 0
        with explain_full_disk(path), path.open("wb") as file:
            file.write(header)
            for line in lines:
                on_row(line)
                file.write(line)
                rows += 1
                size += len(line)
                if rows >= self.max_rows or size >= _MAX_FILE_SIZE:
                    break
        return rows

    def _upload_file(self, path: Path, rows: int) -> None:
        self.size += path.stat().st_size
        self.rows += rows
        uploaded = upload.upload_file(self.client, path, content_type="text/csv")
        self.file_handle_ids.append(uploaded.file_handle_id)
        if self._clock() - self._logged_at >= _LOG_INTERVAL:
            self._logged_at = self._clock()
            self._log("%s: uploaded %d rows, %s", self.table_id, self.rows, format_size(self.size))
