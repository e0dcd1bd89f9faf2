"""Changing the rows of a table, each change once: what is there already is not stored again."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from synapse_workflows.idempotency.cell_normalization import CellNormalizer, hash_cells
from synapse_workflows.idempotency.recovery import is_behind_other_rows, was_applied
from synapse_workflows.idempotency.row_source import RowSource
from synapse_workflows.idempotency.row_upload import RowUpload
from synapse_workflows.idempotency.table_reader import TableReader, quote_columns
from synapse_workflows.idempotency.transaction import (
    PendingTransaction,
    RowCounts,
    TableTransaction,
)
from synapse_workflows.idempotency.upsert_index import UpsertIndex
from synapse_workflows.lineage.lineage_client import LineageClient

#: How often the rows are compared anew because somebody else changed some meanwhile.
_ROUNDS: Final = 5
_IDS: Final = (ROW_ID, ROW_VERSION)
#: What Synapse says of rows and columns that are no more as they were read; and of other things.
_MAYBE_CHANGED: Final = (
    SynapseConflictError,
    SynapseBadRequestError,
    SynapseNotFoundError,
    SynapseJobError,
)


class RowWriter:
    """Changes one table for one task instance, each change once.

    Args:
        client: makes the calls.
        once: makes the transactions, and remembers them.
        source: the rows.
        rows_at_once: rows in one file, at most.
    """

    def __init__(
        self, client: LineageClient, once: TableTransaction, source: RowSource, rows_at_once: int
    ) -> None:
        self.client = client
        self.once = once
        self.source = source
        self.rows_at_once = rows_at_once
        self.look = TableReader(client, once.table)
        self._open: PendingTransaction | None = None

    def append(self) -> None:
        """Add the rows, unless an earlier try did.

        Raises:
            AirflowFailException: An earlier try added others; or nobody can tell whether it did.
            SynapseHTTPError: Synapse cannot take a row, or the caller may not; none was added.
        """
        attempt = self.once.settle()
        if attempt is not None:
            self._look_for(attempt)
        if self.once.content is not None:
            self._require_same_content()
            return
        after = self.look.last_row_id()
        uploads, content = self._uploads(), md5(usedforsecurity=False)
        rows = uploads.send(self.source.names, self.source.lines(), content.update)
        if rows:
            made = PendingTransaction(
                uploads.handles[0], RowCounts(added=rows), content.hexdigest(), after
            )
            self.once.make(uploads, made)

    def replace(self) -> None:
        """Put the rows in the place of all there are, unless they are what there is.

        A reader sees the old rows or the new ones, and never none.

        Raises:
            SynapseHTTPError: Synapse cannot take a row, or the caller may not; none was changed.
        """
        self._open = self.once.settle()
        content = self.once.content
        if content is None or content != self.source.digest() or not self._has_replaced():
            self._until_it_holds(self._replace)

    def upsert(self, key: Sequence[str]) -> None:
        """Change the rows whose key is there already, and add the others.

        Rows that are in the table as they are in the source are left alone.

        Args:
            key: names of columns.

        Raises:
            AirflowFailException: A key that is no column of the source, empty or not unique.
            SynapseHTTPError: Synapse cannot take a row, or the caller may not; none was changed.
        """
        missing = [name for name in key if name not in self.source.names]
        if missing or not key:
            raise AirflowFailException(
                f"{self.source.called} has no columns {missing} for the key"
            )
        at = [self.source.names.index(name) for name in key]
        self._open = self.once.settle()
        self._until_it_holds(lambda: self._upsert(at))

    def _until_it_holds(self, one_round: Callable[[], bool]) -> None:
        """Compare and change, again if somebody else changed the table in between."""
        table = self.once.table
        for _ in range(_ROUNDS):
            try:
                if one_round():
                    return
            except _MAYBE_CHANGED:
                # whoever is told that a row is not as it was read may read it again
                if not self.look.has_changed():
                    raise
            self._open = None
            self.client.logger.info("%s: somebody else changed it; comparing again", table)
            self.source.fit(self.look.columns())
        raise SynapseError(
            f"{table} was changed by others {_ROUNDS} times while its rows were compared: let "
            "fewer tasks write to it at once, or try again"
        )

    def _replace(self) -> bool:
        """Do it once; tell whether the table is as it should be."""
        columns = self.look.columns()
        self.source.fit(columns)
        names = [str(column["name"]) for column in columns]
        with self.look.asked(quote_columns(names), f"order by {ROW_ID}", row_ids=True) as there:
            same = self._is_the_same(there, columns)
        if same:
            self._close()
            return True
        uploads, content = self._uploads(), md5(usedforsecurity=False)
        with self.look.asked(f"{ROW_ID}, {ROW_VERSION}") as doomed:
            deleted = uploads.send(_IDS, doomed)
        added = uploads.send(self.source.names, self.source.lines(), content.update)
        counts = RowCounts(added=added, deleted=deleted)
        self.once.make(
            uploads, PendingTransaction(uploads.handles[0], counts, content.hexdigest(), 0)
        )
        # rows that others added meanwhile do not conflict, as nobody named them: where there were
        # none before, two tasks that replace them both add theirs, and the later puts it right
        return not is_behind_other_rows(self.look, self.source, added)

    def _has_replaced(self) -> bool:
        """Tell whether the rows that an earlier try stored are not behind those of others."""
        rows = sum(1 for _ in self.source.lines())
        return not is_behind_other_rows(self.look, self.source, rows)

    def _is_the_same(self, there: Iterable[CsvRow], columns: Sequence[Mapping[str, Any]]) -> bool:
        """Compare the rows of the table with those of the source, in their order."""
        cells, width = CellNormalizer(columns), len(columns)
        names = [str(column["name"]) for column in columns]
        at = [names.index(name) for name in self.source.names]

        def spread(line: CsvRow) -> CsvRow:
            whole: CsvRow = [None] * width
            for index, cell in zip(at, line, strict=True):
                whole[index] = cell
            return whole

        mine = (cells.given(spread(line)) for line in self.source.lines())
        theirs = (cells.kept(line[2:]) for line in there)
        return all(one == other for one, other in zip_longest(mine, theirs))

    def _upsert(self, at: Sequence[int]) -> bool:
        """Do it once; tell whether the table is as it should be."""
        names, uploads, counted = self.source.names, self._uploads(), [0, 0]
        with UpsertIndex.in_a_file() as known:
            last, twice = self._learn(known, at)
            uploads.send((*_IDS, *names), self._edits(known, at, counted))
            deleted = uploads.send(_IDS, (line for key, line in twice if known.is_given(key)))
        if not uploads.handles:
            self._close()
            return True
        counts = RowCounts(counted[0], counted[1], deleted)
        self.once.make(uploads, PendingTransaction(uploads.handles[0], counts, "", last))
        # two writers that add the same key do not conflict: the later one has to put it right
        return not counts.added or self.look.count_after(last) == counts.added

    def _learn(
        self, known: UpsertIndex, at: Sequence[int]
    ) -> tuple[int, list[tuple[bytes, CsvRow]]]:
        """Read which row has which key, in which version, and a digest of what is in it.

        Returns:
            The highest id of a row; and the rows that came to a key that was there, since this
            task began to add rows, with the digest of that key.
        """
        since, last, count = self._since(), 0, 0
        twice: list[tuple[bytes, CsvRow]] = []
        cells = self.source.cells
        rest = f"order by {ROW_ID}"
        with self.look.asked(quote_columns(self.source.names), rest, row_ids=True) as found:
            for row_id, version, *line in found:
                last, count = int(row_id or 0), count + 1
                values = cells.kept(line)
                key = [values[index] for index in at]
                told = hash_cells(key)
                if None in key or known.add(told, last, int(version or 0), hash_cells(values)):
                    continue
                if since is None or last <= since:
                    known.double(told, last)
                else:
                    twice.append((told, [row_id, version]))
        self.client.logger.info("%s: compared with %d rows", self.once.table, count)
        return last, twice

    def _since(self) -> int | None:
        """Give the highest id of a row before this task began to add rows; None before that."""
        if self.once.after is None and self._open is not None:
            return self._open.after
        return self.once.after

    def _edits(
        self, known: UpsertIndex, at: Sequence[int], counted: list[int]
    ) -> Iterator[CsvRow]:
        cells = self.source.cells
        for number, line in enumerate(self.source.lines(), 1):
            key = cells.key(number, line, at)
            row = known.take(hash_cells(key), number)
            if row is not None and row.line is not None:
                raise AirflowFailException(
                    f"The key {key} is in the source more than once: in the rows {row.line} and "
                    f"{number} of {self.source.called}"
                )
            if row is not None and row.other is not None:
                raise AirflowFailException(
                    f"The key {key} is in the table more than once: in the rows {row.row_id} and "
                    f"{row.other} ({ROW_ID}). Delete one of them, or take other columns for the "
                    "key"
                )
            if row is None:
                counted[0] += 1
                yield [None, None, *line]
            elif row.content != hash_cells(cells.given(line)):
                counted[1] += 1
                yield [str(row.row_id), str(row.version), *line]

    def _look_for(self, attempt: PendingTransaction) -> None:
        """Note whether an attempt to add rows was carried out."""
        try:
            landed = was_applied(self.look, self.source, attempt)
        except AirflowFailException:
            self.once.failed()
            raise
        if landed:
            self.once.succeeded(attempt)
        else:
            self.once.failed()

    def _close(self) -> None:
        """Note of an attempt that nobody knew of: the table says that it was carried out."""
        if self._open is not None:
            self.once.succeeded(self._open)

    def _require_same_content(self) -> None:
        """Check that the rows are those that an earlier try added.

        Raises:
            AirflowFailException: They are not; the next try will add them.
        """
        if self.source.digest() == self.once.content:
            return
        counts, after = self.once.counts, self.once.after
        self.once.forget()
        raise AirflowFailException(
            f"An earlier try of this task added {counts.added} rows to {self.once.table}, with "
            f"{ROW_ID} above {after}, and they were others than there are in {self.source.called} "
            "now. Delete them if they should not stay, then clear this task: it will add the rows "
            "as they are now"
        )

    def _uploads(self) -> RowUpload:
        return RowUpload(self.client, self.once.table, self.rows_at_once, self.client.logger.info)
