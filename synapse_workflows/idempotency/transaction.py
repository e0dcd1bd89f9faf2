"""Table transactions that are applied once, even if the worker stops at any point.

    files are uploaded -> the pending transaction is saved -> its job is started
        -> the job's token is saved -> the job is done -> the result is saved

A retry that finds a token waits for that job. A retry that finds a pending transaction without a
token cannot know whether a job was started. It deletes one of the uploaded files: a job that has
not started cannot succeed without the file. Then the retry runs another transaction on the same
table. Synapse queues this transaction behind a job that has already started. When the other
transaction is done, the pending transaction either was applied or never will be.
`recovery.was_applied` compares rows to determine the result.

A task that waits in the triggerer stops after the token is saved, and continues like a retry.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

from synapse_workflows.client.api import table_transactions
from synapse_workflows.client.errors import (
    SynapseError,
    SynapseHTTPError,
    SynapseJobError,
    SynapseUnauthorizedError,
)
from synapse_workflows.client.transfer.progress import format_size
from synapse_workflows.idempotency.row_upload import RowUpload
from synapse_workflows.idempotency.task_state import SavedState, TaskState
from synapse_workflows.lineage.lineage_client import LineageClient

_KEY: Final = "synapse_rows"


@dataclass(frozen=True)
class RowCounts:
    """Numbers of rows that were added, changed and deleted."""

    added: int = 0
    changed: int = 0
    deleted: int = 0

    def __add__(self, other: "RowCounts") -> "RowCounts":
        return RowCounts(
            self.added + other.added,
            self.changed + other.changed,
            self.deleted + other.deleted,
        )

    def __bool__(self) -> bool:
        """Whether any row was added, changed or deleted."""
        return self != RowCounts()


@dataclass(frozen=True)
class Deferral:
    """How a task waits for jobs outside the worker.

    Args:
        defer: Called with the ID of the table and the token of a job; raises an exception that
            ends the work in the worker. The task continues with another call and the token as
            `finished_job`.
        finished_job: Token of a job that has ended while the task waited; None at the start.
    """

    defer: Callable[[str, str], object]
    finished_job: str | None = None


@dataclass(frozen=True)
class PendingTransaction:
    """A transaction whose result has not been saved yet.

    Args:
        file_handle_id: An uploaded file that only this transaction needs.
        counts: Numbers of rows that the transaction adds, changes and deletes.
        content_md5: MD5 of the rows that the transaction stores; empty for an upsert.
        max_row_id: Highest row ID of the table before the transaction.
        job: Token of the transaction's job; None if no token was saved.
        etag: Etag of the rows that were compared with the rows of the source.
    """

    file_handle_id: str
    counts: RowCounts
    content_md5: str
    max_row_id: int
    job: str | None = None
    etag: str | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build the object from the result of `dataclasses.asdict`."""
        return cls(**{**values, "counts": RowCounts(**values["counts"])})


class TableTransaction:
    """The transactions of one call of a task on one table, over all tries of the task.

    Args:
        client: Sends the requests.
        task: The state of the task.
        table_id: `syn123`.
        number: Number of the slot in the task state store; see `store_calls`.
    """

    def __init__(
        self, client: LineageClient, task: TaskState, table_id: str, number: int = 1
    ) -> None:
        self.client = client
        self.table_id = table_id
        self._state = SavedState(
            task, f"{_KEY}:{client.synapse_conn_id}:{table_id}:{number}", table_id
        )
        #: Whether an earlier try has finished the call, and no work is left.
        self.is_done = False
        #: Whether this try has started and finished a transaction.
        self.has_committed = False
        #: Etag of the table, as this try has read it before it changes rows.
        self.table_etag: str | None = None
        #: How the task waits for jobs; None to wait in the worker.
        self.deferral: Deferral | None = None
        #: Called before the table is changed.
        self.before_commit: Callable[[], object] = bool

    @property
    def exists(self) -> bool:
        """Whether a call of this or an earlier try has used this slot."""
        return self._state.load() is not None

    @property
    def mode(self) -> str | None:
        """Mode of the call; None before the first call, and after `clear`."""
        return self._load().get("mode")

    @property
    def is_unused(self) -> bool:
        """Whether no rows were stored, and no transaction is pending."""
        values = self._load()
        return not {"pending", "counts", "content_md5"} & values.keys()

    @property
    def signature(self) -> str | None:
        """Signature of the finished call; None before the call has finished."""
        return self._load().get("signature")

    @property
    def counts(self) -> RowCounts:
        """Rows that the task has added, changed and deleted so far."""
        return RowCounts(**self._load().get("counts", {}))

    @property
    def content_md5(self) -> str | None:
        """MD5 of the rows that the task has stored; None before the first transaction."""
        return self._load().get("content_md5")

    @property
    def max_row_id(self) -> int | None:
        """Highest row ID before the task's first transaction; None if there was no transaction."""
        return self._load().get("max_row_id")

    @property
    def etag(self) -> str | None:
        """Etag of the rows directly after the task's last transaction; None if it is unknown."""
        return self._load().get("etag")

    @property
    def has_known_table(self) -> bool:
        """Whether the table has not changed since before the last transaction, except its rows."""
        if self.has_committed:
            return True
        return self.table_etag is not None and self._load().get("table_etag") == self.table_etag

    @property
    def pending(self) -> PendingTransaction | None:
        """The transaction whose result has not been saved; None without such a transaction."""
        values = self._load().get("pending")
        return None if values is None else PendingTransaction.from_json(values)

    def has_content(self, get_content_md5: Callable[[], str]) -> bool:
        """Return whether the stored or pending rows have an MD5."""
        values = self._load()
        known = (values.get("content_md5"), (values.get("pending") or {}).get("content_md5"))
        return any(known) and get_content_md5() in known

    def begin(self, mode: str) -> None:
        """Save the mode of the call, so that a retry counts the call."""
        if self.mode != mode:
            self._update(mode=mode)

    def save_signature(self, signature: str) -> None:
        """Save that the call has finished."""
        if self.signature != signature:
            self._update(signature=signature)

    def forget_rows(self) -> None:
        """Forget which rows an upsert or a replacement has stored; compare the table again."""
        values = self._load()
        if {"content_md5", "max_row_id", "signature"} & values.keys():
            self._update(content_md5=None, max_row_id=None, signature=None)

    def resolve_pending(self) -> PendingTransaction | None:
        """Finish the transaction that an earlier try left pending.

        Returns:
            A finished transaction whose result is unknown, or None if nothing is pending. The
            caller must compare the rows of the table, then call `mark_succeeded` or
            `mark_failed`.

        Raises:
            SynapseTimeoutError: The job of the transaction is still running.
            SynapseHTTPError: The transaction for which the task was deferred failed.
            SynapseError: The transaction for which the task was deferred failed, or the state of
                a job is unknown.
        """
        pending = self.pending
        if pending is None:
            return None
        if pending.job is not None:
            try:
                etag = self._wait(pending.job)
            except (SynapseHTTPError, SynapseJobError) as error:
                if self.deferral is not None and pending.job == self.deferral.finished_job:
                    self._forget_if_final(error)
                    raise
                self.client.logger.info("The transaction of an earlier try failed: %s", error)
            else:
                self.mark_succeeded(pending, etag)
                return None
        self._prevent(pending)
        return pending

    def commit(self, upload: RowUpload, pending: PendingTransaction) -> None:
        """Apply the uploaded files in one transaction.

        Raises:
            SynapseHTTPError: The transaction was rejected or failed; no row was changed.
            SynapseJobError: The transaction failed; no row was changed.
        """
        client, table_id = self.client, self.table_id
        self.before_commit()
        self._update(pending=asdict(pending), signature=None, table_etag=self.table_etag)
        try:
            job = table_transactions.start_transaction(client, table_id, upload.changes())
            self._update(pending=asdict(replace(pending, job=job)))
            client.logger.info(
                "%s: started a transaction with %s, files: %d (job %s)",
                table_id,
                format_size(upload.size),
                len(upload.file_handle_ids),
                job,
            )
            etag = self._wait(job)
        except (SynapseHTTPError, SynapseJobError) as error:
            self._forget_if_final(error)
            raise
        self.mark_succeeded(pending, etag)
        self.has_committed = True

    def mark_succeeded(self, pending: PendingTransaction, etag: str | None = None) -> None:
        """Save that a transaction was applied, and the etag of the rows directly after it."""
        known = self.max_row_id
        self._update(
            pending=None,
            counts=asdict(self.counts + pending.counts),
            content_md5=pending.content_md5,
            etag=etag,
            max_row_id=pending.max_row_id if known is None else min(known, pending.max_row_id),
        )

    def mark_failed(self) -> None:
        """Save that the pending transaction was not applied and never will be."""
        self._update(pending=None)

    def mark_done(self) -> None:
        """Save that the task has finished its work; see `SavedState.mark_done`."""
        self._state.mark_done()

    def clear(self) -> None:
        """Forget the call: the next call that uses this slot starts from the beginning."""
        self._state.save({})

    def _wait(self, job: str) -> str | None:
        """Wait for a transaction in the worker, or defer unless its job has ended meanwhile.

        Returns:
            The etag of the last change of rows, if known.
        """
        if self.deferral is not None and job != self.deferral.finished_job:
            self.deferral.defer(self.table_id, job)
        response = table_transactions.wait_for_transaction(self.client, self.table_id, job)
        results: list[Mapping[str, Any]] = response.get("results") or [{}]
        return results[-1].get("etag")

    def _forget_if_final(self, error: SynapseHTTPError | SynapseJobError) -> None:
        """Save that the pending transaction failed, if the error shows that."""
        if isinstance(error, SynapseJobError) or _is_final(error):
            self.mark_failed()

    def _prevent(self, pending: PendingTransaction) -> None:
        """Ensure that the job of a transaction, if any, has ended or cannot succeed."""
        client, table_id = self.client, self.table_id
        client.logger.info(
            "%s: an earlier try may have started a transaction; waiting until it is over", table_id
        )
        client.call("DELETE", f"/fileHandle/{pending.file_handle_id}", endpoint="file")
        failing = [RowUpload.change(table_id, pending.file_handle_id)]
        token = table_transactions.start_transaction(client, table_id, failing)
        try:
            table_transactions.wait_for_transaction(client, table_id, token)
        except SynapseJobError:
            return
        except SynapseHTTPError as error:
            if not _is_final(error):
                raise
            return
        raise SynapseError(
            f"{table_id} stored the rows of file handle {pending.file_handle_id} after it was "
            "deleted. Check the table for duplicate rows before you run this task again"
        )

    def _load(self) -> dict[str, Any]:
        return self._state.load() or {}

    def _update(self, **changes: Any) -> None:
        values = self._load() | changes
        self._state.save({name: value for name, value in values.items() if value is not None})


def _is_final(error: SynapseHTTPError) -> bool:
    """Return whether a response shows that a job failed or was not started.

    A 401 is not final: Synapse rejected the access token, and the state of the job is unknown.
    """
    can_repeat = error.retry_category.can_repeat_request
    return not can_repeat and not isinstance(error, SynapseUnauthorizedError)
