"""The calls of a task that store rows in one table, matched between the tries of the task.

Each call has a numbered slot in the task state store. A retry repeats the calls of the earlier
try, and each of its calls continues a slot of the earlier try:

* An append continues the slot of its position if the rows are equal, else any slot with equal
  rows. If there is none and the earlier try has appended rows that this try has not repeated, the
  rows have changed since, and the append fails.
* An upsert or a replacement continues the slot of its position and compares its rows with the
  table again. An upsert that deletes rows is skipped if it has the same rows and the earlier try
  went on to a later call, because it would delete the rows of the later call.

Two calls with equal rows have two slots. A call that raises an exception releases its slot.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from synapse_workflows.idempotency.recovery import changed_rows_error
from synapse_workflows.idempotency.row_source import RowSource
from synapse_workflows.idempotency.task_state import TaskState
from synapse_workflows.idempotency.transaction import TableTransaction
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient


@dataclass(frozen=True)
class StoreCall:
    """One call that stores rows.

    Args:
        mode: `append`, `upsert` or `replace`.
        source: The rows.
        deleted_scope: For an upsert that deletes rows, the arguments that select these rows;
            None for other calls.
    """

    mode: str
    source: RowSource
    deleted_scope: str | None = None

    @property
    def signature(self) -> str | None:
        """Text that is equal for two upserts that delete the same rows; None for other calls.

        The rows are read, unless `RowSource.content_md5` knows their MD5.
        """
        if self.deleted_scope is None:
            return None
        return f"{self.deleted_scope} {self.source.content_md5()}"


class StoreCalls:
    """The calls of one try of a task that store rows in one table.

    Args:
        client: A client of the connection.
        task: The state of the task.
        table_id: `syn123`.
    """

    def __init__(self, client: LineageClient, task: TaskState, table_id: str) -> None:
        self._client = client
        self._task = task
        self._table_id = table_id
        #: Numbers of the slots that calls of this try have continued.
        self._continued: set[int] = set()
        self._lock = threading.RLock()

    @classmethod
    def of(cls, client: LineageClient, table_id: str) -> "StoreCalls":
        """Return the calls of the running task; outside a task, calls that are not kept."""
        collector = current_collector()
        if collector is None:
            return cls(client, TaskState.current(), table_id)

        def create() -> StoreCalls:
            calls = cls(client, TaskState.current(), table_id)
            # called only if the task succeeds: a failed task that is cleared continues this work
            collector.add_finish_callback(calls.mark_done)
            return calls

        return collector.get_or_create(f"store {client.synapse_conn_id} {table_id}", create)

    @contextmanager
    def begin(self, call: StoreCall) -> Iterator[TableTransaction]:
        """Provide the transactions of a call inside the block.

        Raises:
            AirflowFailException: An earlier try appended other rows.
        """
        with self._lock:
            position = len(self._continued) + 1
            number = self._select(call, position)
            self._continued.add(number)
        try:
            transaction = self._slot(number)
            transaction.begin(call.mode)
            if call.mode == "upsert" and self._slot(number + 1).mode is not None:
                # a retry must know that the rows are the same before it deletes any
                in_order, signature = number == position, call.signature
                transaction.is_done = in_order and transaction.signature == signature is not None
                if not transaction.is_done:
                    transaction.forget_rows()
            transaction.before_commit = lambda: self._invalidate(call)
            yield transaction
            if call.deleted_scope is not None:
                transaction.save_signature(str(call.signature))
        except BaseException:
            self._continued.discard(number)
            raise

    def mark_done(self) -> None:
        """Save that the task has finished its work; see `SavedState.mark_done`."""
        self._continued.clear()
        for slot in self._others().values():
            slot.mark_done()

    def _select(self, call: StoreCall, position: int) -> int:
        """Return the number of the slot that a call continues."""
        own = None if position in self._continued else self._slot(position)
        if own is not None and _is_repeated(own, call):
            return position
        others = self._others()
        equal = [number for number, slot in others.items() if _is_repeated(slot, call)]
        if equal:
            return equal[0]
        if own is not None and own.is_unused:
            return position
        if call.mode == "append":
            self._reject_changed(call, others)
            pending = [number for number, slot in others.items() if slot.mode == "append"]
            if pending:
                return pending[0]
        return 1 + max(self._continued | others.keys(), default=0)

    def _reject_changed(self, call: StoreCall, others: dict[int, TableTransaction]) -> None:
        """Check that no earlier try appended rows that this try has not repeated.

        Raises:
            AirflowFailException: An earlier try did. The next try appends the current rows.
        """
        appends = [slot for slot in others.values() if slot.mode == "append" and slot.counts]
        if not appends:
            return
        rows = sum(slot.counts.added for slot in appends)
        first = min(slot.max_row_id or 0 for slot in appends)
        for slot in appends:
            slot.clear()
        raise changed_rows_error(rows, self._table_id, first, call.source.label)

    def _invalidate(self, call: StoreCall) -> None:
        """Update the slots of later calls of an earlier try before this call changes the table.

        Raises:
            AirflowFailException: The call may delete some of the rows that later calls appended.
        """
        others = self._others()
        if call.deleted_scope is not None:
            self._reject_changed(call, others)
        for slot in others.values():
            if slot.mode != "append":
                slot.forget_rows()
            elif call.mode == "replace":
                slot.clear()  # the rows are about to be deleted

    def _others(self) -> dict[int, TableTransaction]:
        """Return the slots that no call of this try has continued, by number."""
        others: dict[int, TableTransaction] = {}
        number = 1
        while number in self._continued or self._slot(number).exists:
            if number not in self._continued:
                others[number] = self._slot(number)
            number += 1
        return others

    def _slot(self, number: int) -> TableTransaction:
        return TableTransaction(self._client, self._task, self._table_id, number)


def _is_repeated(slot: TableTransaction, call: StoreCall) -> bool:
    """Return whether a call continues the call of a slot."""
    if slot.mode != call.mode:
        return False
    return call.mode != "append" or slot.has_content(call.source.content_md5)
