"""Append, replace and upsert of table rows, safe to retry."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import md5
from itertools import zip_longest
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConflictError,
    SynapseError,
    SynapseJobError,
    SynapseNotFoundError,
)
from synapse_workflows.client.model.csv_dialect import CsvRow
from synapse_workflows.constants import ROW_ID, ROW_VERSION
from synapse_workflows.idempotency.cell_normalization import CellNormalizer
from synapse_workflows.idempotency.recovery import (
    changed_rows_error,
    is_behind_other_rows,
    was_applied,
)
from synapse_workflows.idempotency.row_source import RowSource
from synapse_workflows.idempotency.row_upload import RowUpload
from synapse_workflows.idempotency.table_reader import TableReader, quote_columns
from synapse_workflows.idempotency.transaction import (
    PendingTransaction,
    RowCounts,
    TableTransaction,
)
from synapse_workflows.idempotency.upsert_comparison import UpsertComparison, UpsertOptions
from synapse_workflows.lineage.lineage_client import LineageClient

#: Maximum number of comparisons when other writers keep changing the table.
_MAX_ROUNDS: Final = 5
_IDS: Final = (ROW_ID, ROW_VERSION)
#: Errors that a change to stale rows or columns raises. The errors can also have other causes.
_STALE_ERRORS: Final = (
    SynapseConflictError,
    SynapseBadRequestError,
    SynapseNotFoundError,
    SynapseJobError,
)


class RowWriter:
    """Writer of the rows of one source to one table, once per task instance.

    Args:
        client: Sends the requests.
        transaction: Commits the changes and stores their state.
        source: The rows.
        max_rows: Maximum number of rows in one uploaded file.
    """

    def __init__(
        self,
        client: LineageClient,
        transaction: TableTransaction,
        source: RowSource,
        max_rows: int,
    ) -> None:
        self.client = client
        self.transaction = transaction
        self.source = source
        self.max_rows = max_rows
        self.reader = TableReader(client, transaction.table_id)
        self._pending: PendingTransaction | None = None

    def append(self) -> None:
        """Append the rows, unless an earlier try appended them.

        Raises:
            AirflowFailException: An earlier try appended other rows; or it is unknown whether an
                earlier try appended the rows.
            SynapseHTTPError: Synapse rejected the rows; none was stored.
        """
        pending = self.transaction.resolve_pending()
        if pending is not None:
            self._resolve(pending)
        if self.transaction.content_md5 is not None:
            self._require_same_content()
            return
        max_row_id = self.reader.max_row_id()
        upload, content = self._new_upload(), md5(usedforsecurity=False)
        rows = upload.upload(self.source.names, self.source.iter_rows(), content.update)
        if rows:
            self._commit(upload, RowCounts(added=rows), content.hexdigest(), max_row_id)

    def replace(self) -> None:
        """Replace all rows of the table, unless they are equal to those of the source.

        Readers see either the old rows or the new ones, never an empty table.

        Raises:
            SynapseHTTPError: Synapse rejected the rows; none was changed.
        """
        self._pending = self._resolve_pending()
        content = self.transaction.content_md5
        if content is None or content != self.source.content_md5() or not self._is_replaced():
            self._repeat(self._replace_once)

    def upsert(self, options: UpsertOptions) -> None:
        """Update the rows whose key is in the table, and add the rows with new keys.

        Rows that are equal in the table and the source are not changed.

        Args:
            options: The key, the scope, and whether to delete missing rows.

        Raises:
            AirflowFailException: A key column is not in the source, a key is empty or not unique,
                or a row is out of the scope.
            SynapseHTTPError: Synapse rejected the rows; none was changed.
        """
        self._comparison(options)  # check the options before any request
        self._pending = self._resolve_pending()
        self._repeat(lambda: self._upsert_once(options))

    def _resolve_pending(self) -> PendingTransaction | None:
        """Finish the pending transaction; if it failed because rows are stale, compare again."""
        pending = self.transaction.pending
        try:
            return self.transaction.resolve_pending()
        except _STALE_ERRORS:
            is_failed = pending is not None and self.transaction.pending is None
            self.reader.etag = pending.etag if pending else None
            if not is_failed or self.reader.etag is None or not self.reader.has_changed():
                raise
            return None

    def _repeat(self, run_once: Callable[[], bool]) -> None:
        """Compare and change the rows; repeat while other writers change the table."""
        table_id = self.transaction.table_id
        for _ in range(_MAX_ROUNDS):
            try:
                if run_once():
                    return
            except _STALE_ERRORS:
                if not self.reader.has_changed():
                    raise
            self._pending = None
            self.client.logger.info("%s: changed by another writer; comparing again", table_id)
            self.source.bind_columns(self.reader.columns())
        raise SynapseError(
            f"Other writers changed {table_id} {_MAX_ROUNDS} times while its rows were compared. "
            "Run fewer tasks that write to it at the same time, or retry"
        )

    def _replace_once(self) -> bool:
        """Replace the rows; return False if another writer changed the table first."""
        columns = self.reader.columns()
        self.source.bind_columns(columns)
        names = [str(column["name"]) for column in columns]
        order = f"order by {ROW_ID}"
        with self.reader.query(quote_columns(names), order, row_ids=True) as stored_rows:
            is_equal = self._equals_source(stored_rows, columns)
        if is_equal:
            self._complete_pending()
            return True
        upload, content = self._new_upload(), md5(usedforsecurity=False)
        with self.reader.query(f"{ROW_ID}, {ROW_VERSION}") as old_rows:
            deleted = upload.upload(_IDS, old_rows)
        added = upload.upload(self.source.names, self.source.iter_rows(), content.update)
        self._commit(upload, RowCounts(added=added, deleted=deleted), content.hexdigest(), 0)
        # Rows that another writer adds meanwhile cause no conflict, as the request has no row IDs
        # of them. If two tasks replace an empty table, both add rows; the later task must delete
        # the rows of the earlier task.
        return not is_behind_other_rows(self.reader, self.source, added)

    def _is_replaced(self) -> bool:
        """Return whether an earlier try replaced the rows: its rows come first in the table."""
        rows = sum(1 for _ in self.source.iter_rows())
        return not is_behind_other_rows(self.reader, self.source, rows)

    def _equals_source(
        self, stored_rows: Iterable[CsvRow], columns: Sequence[Mapping[str, Any]]
    ) -> bool:
        """Return whether the table has the rows of the source, in the same order."""
        normalizer, width = CellNormalizer(columns), len(columns)
        names = [str(column["name"]) for column in columns]
        indexes = [names.index(name) for name in self.source.names]

        def with_all_columns(line: CsvRow) -> CsvRow:
            cells: CsvRow = [None] * width
            for index, cell in zip(indexes, line, strict=True):
                cells[index] = cell
            return cells

        return all(
            line is not None
            and stored is not None
            and normalizer.is_equal(with_all_columns(line), stored[2:])
            for line, stored in zip_longest(self.source.iter_rows(), stored_rows)
        )

    def _upsert_once(self, options: UpsertOptions) -> bool:
        """Upsert the rows; return False if another writer added the same keys."""
        upload, comparison = self._new_upload(), self._comparison(options)
        max_row_id = self.reader.max_row_id() if options.where is not None else 0
        counts = comparison.upload_changes(upload)
        self.client.logger.info(
            "%s: compared with %d rows", self.transaction.table_id, comparison.rows
        )
        if not upload.file_handle_ids:
            self._complete_pending()
            return True
        max_row_id = max(max_row_id, comparison.max_row_id)
        self._commit(upload, counts, "", max_row_id)
        # Two writers that add the same key cause no conflict; the later writer deletes its rows.
        return not counts.added or self.reader.count_after(max_row_id) == counts.added

    def _comparison(self, options: UpsertOptions) -> UpsertComparison:
        since = self.transaction.max_row_id
        if since is None and self._pending is not None:
            since = self._pending.max_row_id
        return UpsertComparison(self.reader, self.source, options, since)

    def _resolve(self, pending: PendingTransaction) -> None:
        """Save whether a pending append was applied."""
        try:
            applied = was_applied(self.reader, self.source, pending)
        except AirflowFailException:
            self.transaction.mark_failed()
            raise
        if applied:
            self.transaction.mark_succeeded(pending)
        else:
            self.transaction.mark_failed()

    def _complete_pending(self) -> None:
        """Save that the pending transaction was applied: the table has the expected rows."""
        if self._pending is not None:
            self.transaction.mark_succeeded(self._pending, self.reader.etag)

    def _require_same_content(self) -> None:
        """Check that an earlier try appended the same rows.

        Raises:
            AirflowFailException: An earlier try appended different rows. The next try appends the
                current rows.
        """
        if self.source.content_md5() == self.transaction.content_md5:
            return
        rows, max_row_id = self.transaction.counts.added, self.transaction.max_row_id or 0
        self.transaction.clear()
        raise changed_rows_error(rows, self.transaction.table_id, max_row_id, self.source.label)

    def _commit(
        self, upload: RowUpload, counts: RowCounts, content_md5: str, max_row_id: int
    ) -> None:
        pending = PendingTransaction(
            upload.file_handle_ids[0], counts, content_md5, max_row_id, etag=self.reader.etag
        )
        self.transaction.commit(upload, pending)

    def _new_upload(self) -> RowUpload:
        log = self.client.logger.info
        return RowUpload(self.client, self.transaction.table_id, self.max_rows, log)
