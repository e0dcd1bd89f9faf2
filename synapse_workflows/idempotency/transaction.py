"""Transactions of a table that are made once, whenever the worker dies that makes them.

    files are sent -> the attempt is noted -> its job is started -> the job's token is noted
        -> the job is done -> that is noted

A worker that comes after the noted token waits for that job. One that finds an attempt without a
token cannot know whether there is a job: it deletes one of the files, without which a job that
has not begun cannot succeed, and lets another transaction of the table have its turn, behind a
job that has begun. Then the attempt was carried out, or it never will be; the table tells.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from synapse_workflows.client.api import table_transactions
from synapse_workflows.client.errors import SynapseError, SynapseHTTPError, SynapseJobError
from synapse_workflows.client.transfer.progress import human
from synapse_workflows.idempotency.row_upload import RowUpload
from synapse_workflows.lineage.lineage_client import LineageClient

if TYPE_CHECKING:
    from synapse_workflows.lineage.task_state_store import TaskStateStore

_KEY: Final = "synapse_rows"
#: Statuses of refusals that say nothing of the job that was asked for.
_PASSING: Final = frozenset({401, 408, 429})
_SERVER_ERROR: Final = 500


@dataclass(frozen=True)
class RowCounts:
    """What became of rows: how many were added, changed, deleted."""

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
        """Tell whether anything was done."""
        return self != RowCounts()


@dataclass(frozen=True)
class PendingTransaction:
    """A transaction that may have been made; kept from try to try.

    Args:
        handle: a file without which it cannot be made, and which nothing else needs.
        counts: what it does.
        content: digest of the rows that it stores; empty where that does not matter.
        after: the highest id of a row before.
        job: token of the job that makes it; None while none was noted.
    """

    handle: str
    counts: RowCounts
    content: str
    after: int
    job: str | None = None

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "PendingTransaction":
        """Read what was kept."""
        return cls(**{**kept, "counts": RowCounts(**kept["counts"])})


class TableTransaction:
    """The transactions of one table that one task instance makes, over all of its tries.

    Args:
        client: makes the calls.
        context: of the running task.
        table: as `syn123`.
    """

    def __init__(self, client: LineageClient, context: Mapping[str, Any], table: str) -> None:
        self.client = client
        self.memory: TaskStateStore = context["task_state_store"]
        self.tries = int(context["ti"].max_tries)
        self.table = table

    @property
    def counts(self) -> RowCounts:
        """What the task has done so far."""
        return RowCounts(**self._state().get("counts", {}))

    @property
    def content(self) -> str | None:
        """Digest of the rows that the task has stored; None before."""
        return self._state().get("content")

    @property
    def after(self) -> int | None:
        """The highest id of a row before the task added any; None before."""
        return self._state().get("after")

    def settle(self) -> PendingTransaction | None:
        """Learn what came of an attempt that an earlier try left.

        Returns:
            One that is over, but nobody knows how: see in the table, then call `succeeded` or
            `failed`. None where nothing is open.

        Raises:
            SynapseTimeoutError: Its job is still being done.
            SynapseError: Synapse cannot say.
        """
        kept = self._state().get("attempt")
        if kept is None:
            return None
        attempt = PendingTransaction.of(kept)
        if attempt.job is not None:
            try:
                table_transactions.wait_for_transaction(self.client, self.table, attempt.job)
            except (SynapseHTTPError, SynapseJobError) as failed:
                self.client.logger.info("What an earlier try began came to nothing: %s", failed)
            else:
                self.succeeded(attempt)
                return None
        self._rule_out(attempt)
        return attempt

    def make(self, uploads: RowUpload, attempt: PendingTransaction) -> None:
        """Make a transaction of what was sent, all of it or nothing.

        Raises:
            SynapseHTTPError: It was refused, or failed; nothing was changed.
            SynapseJobError: Likewise.
        """
        self._note(attempt=asdict(attempt))
        try:
            job = table_transactions.start_transaction(self.client, self.table, uploads.changes())
            self._note(attempt=asdict(replace(attempt, job=job)))
            self.client.logger.info(
                "%s: Synapse takes over %s in %d files (job %s)",
                self.table,
                human(uploads.size),
                len(uploads.handles),
                job,
            )
            table_transactions.wait_for_transaction(self.client, self.table, job)
        except SynapseJobError:
            self.failed()
            raise
        except SynapseHTTPError as refused:
            if _is_final(refused):
                self.failed()
            raise
        self.succeeded(attempt)

    def succeeded(self, attempt: PendingTransaction) -> None:
        """Note that an attempt was carried out."""
        after = attempt.after if self.after is None else min(self.after, attempt.after)
        counts = asdict(self.counts + attempt.counts)
        self._note(attempt=None, counts=counts, content=attempt.content, after=after)

    def failed(self) -> None:
        """Note that the attempt was not carried out, and never will be."""
        self._note(attempt=None)

    def end(self) -> None:
        """Note that the task has done its work, of which Airflow is still to hear.

        Who clears the task gives it more tries, and it starts anew; a retry has as many as
        before, and comes after a worker that died before it could report.
        """
        self._note(done=self.tries)

    def forget(self) -> None:
        """Forget what was done: the next try starts anew."""
        self.memory.delete(_KEY)

    def _rule_out(self, attempt: PendingTransaction) -> None:
        """See to it that the job of an attempt, if there is one, is over or cannot succeed."""
        self.client.logger.info(
            "%s: an earlier try may have begun a job; making sure that it is over", self.table
        )
        self.client.call("DELETE", f"/fileHandle/{attempt.handle}", endpoint="file")
        doomed = [RowUpload.change(self.table, attempt.handle)]
        token = table_transactions.start_transaction(self.client, self.table, doomed)
        try:
            table_transactions.wait_for_transaction(self.client, self.table, token)
        except SynapseJobError:
            return
        except SynapseHTTPError as refused:
            if not _is_final(refused):
                raise
            return
        raise SynapseError(f"{self.table} took rows of file {attempt.handle}, which was deleted")

    def _state(self) -> dict[str, Any]:
        kept = self.memory.get(_KEY) or {}
        is_ours = kept.get("table") == self.table and kept.get("done") in (None, self.tries)
        return dict(kept) if is_ours else {"table": self.table}

    def _note(self, **news: Any) -> None:
        state = self._state() | news
        self.memory.set(_KEY, {name: value for name, value in state.items() if value is not None})


def _is_final(refused: SynapseHTTPError) -> bool:
    """Tell whether an answer says for good that a job failed, or was not begun."""
    return refused.status < _SERVER_ERROR and refused.status not in _PASSING
