"""Detection of table rows that an earlier try of the task added.

Rows of one transaction have consecutive row IDs, in the order of the source.
"""

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.constants import ROW_ID, ROW_VERSION
from synapse_workflows.idempotency.row_source import RowSource
from synapse_workflows.idempotency.table_reader import TableReader, quote_columns
from synapse_workflows.idempotency.transaction import PendingTransaction

#: Number of rows to compare first at each row ID where the task's rows may start.
_SAMPLE_ROWS = 100
#: Maximum number of transactions checked for a replacement by another task.
_MAX_TRANSACTIONS = 20


def was_applied(reader: TableReader, source: RowSource, pending: PendingTransaction) -> bool:
    """Return whether the table contains the rows of a finished transaction.

    Raises:
        AirflowFailException: It is unknown whether rows of the table were added by this task and
            changed afterwards.
    """
    rows = pending.counts.added
    starts = _transaction_starts(reader, pending.max_row_id)
    if not starts:
        return False
    equal = rows
    if source.content_md5() == pending.content_md5:
        equal = max(_count_equal_rows(reader, source, start, rows) for start in starts)
        if equal == rows:
            return True
    if 2 * equal < rows:
        return False
    raise AirflowFailException(
        f"Cannot determine whether an earlier try added {rows} rows to {reader.table_id}: the "
        f"table has rows with {ROW_ID} above {pending.max_row_id} that may be its own, changed "
        "since. Delete the rows of the earlier try, then clear this task to add all of its rows"
    )


def is_behind_other_rows(reader: TableReader, source: RowSource, rows: int) -> bool:
    """Return whether the table has rows of other tasks before the rows of a source.

    Return False if the table does not have the rows of the source. Rows after the rows of the
    source are ignored, because they were added later.

    Args:
        reader: Reads the table.
        source: The rows.
        rows: Number of rows of the source.
    """
    if rows == 0 or reader.count_after(0) == rows:
        return False
    _, *later = _transaction_starts(reader, 0)[:_MAX_TRANSACTIONS] or (0,)
    return any(2 * _count_equal_rows(reader, source, start, rows) >= rows for start in later)


def changed_rows_error(rows: int, table_id: str, row_id: int, label: str) -> AirflowFailException:
    """Return the error for an append whose rows differ from those of an earlier try.

    Args:
        rows: Number of rows that the earlier try appended.
        table_id: `syn123`.
        row_id: Highest row ID before the earlier try.
        label: Name of the source of the current rows.
    """
    return AirflowFailException(
        f"An earlier try of this task added {rows} rows to {table_id}, with {ROW_ID} above "
        f"{row_id}, and {label} has other rows now. Delete the earlier rows unless you want to "
        "keep them, then clear this task to add the current rows"
    )


def _transaction_starts(reader: TableReader, after: int) -> list[int]:
    """Return the lowest row ID of each transaction, for row IDs above `after`."""
    rest = f"where {ROW_ID} > {after} group by {ROW_VERSION}"
    with reader.query(f"{ROW_VERSION}, min({ROW_ID})", rest) as lines:
        return sorted(int(line[1] or 0) for line in lines)


def _count_equal_rows(reader: TableReader, source: RowSource, start: int, rows: int) -> int:
    """Count the source rows that the table contains at row IDs from `start` upwards."""
    sample = min(rows, _SAMPLE_ROWS)
    equal = _compare(reader, source, start, sample)
    if sample == rows or 2 * equal < sample:
        return equal
    return _compare(reader, source, start, rows)


def _compare(reader: TableReader, source: RowSource, start: int, rows: int) -> int:
    normalizer, expected = source.normalizer, enumerate(source.iter_rows(), start)
    row_id, line = next(expected)
    rest = f"where {ROW_ID} >= {start} and {ROW_ID} < {start + rows} order by {ROW_ID}"
    equal = 0
    with reader.query(quote_columns(source.names), rest, row_ids=True) as stored_rows:
        for stored_id, _, *stored in stored_rows:
            while row_id < int(stored_id or 0):
                row_id, line = next(expected)
            equal += normalizer.is_equal(line, stored)
    return equal
