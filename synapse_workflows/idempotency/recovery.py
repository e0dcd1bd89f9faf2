"""Whether an attempt to add rows was carried out, where nobody noted it: the table tells."""

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.constants import ROW_ID, ROW_VERSION
from synapse_workflows.idempotency.row_source import RowSource
from synapse_workflows.idempotency.table_reader import TableReader, quote_columns
from synapse_workflows.idempotency.transaction import PendingTransaction

#: Rows that are looked at first, where rows of the task may begin.
_PROBE = 100
#: Transactions that are looked at, of those that came while a task replaced all rows.
_BESIDE = 20


def was_applied(look: TableReader, source: RowSource, attempt: PendingTransaction) -> bool:
    """Look in a table for the rows of an attempt that is over.

    The rows of one transaction have consecutive ids, in their order.

    Raises:
        AirflowFailException: Rows are there that may be those, changed by somebody.
    """
    rows = attempt.counts.added
    starts = _starts(look, attempt.after)
    if not starts:
        return False
    found = rows
    if source.digest() == attempt.content:
        found = max(_equal_rows(look, source, start, rows) for start in starts)
        if found == rows:
            return True
    if 2 * found < rows:
        return False
    raise AirflowFailException(
        f"This task died while it added {rows} rows to {look.table}, and it cannot tell any more "
        f"whether they are there: see which of the rows with {ROW_ID} above {attempt.after} are "
        "its own, delete them, and clear this task: it will add all of its rows"
    )


def is_behind_other_rows(look: TableReader, source: RowSource, rows: int) -> bool:
    """Tell whether a table holds the rows of a source, and rows of others before them.

    Rows that come after them are none of its business: whoever added those came later.

    Args:
        look: at the table.
        source: the rows.
        rows: how many those are.
    """
    if rows == 0 or look.count_after(0) == rows:
        return False
    _, *later = _starts(look, 0)[:_BESIDE] or (0,)
    return any(2 * _equal_rows(look, source, start, rows) >= rows for start in later)


def _starts(look: TableReader, after: int) -> list[int]:
    """List where the rows of other transactions begin, of those that came later."""
    rest = f"where {ROW_ID} > {after} group by {ROW_VERSION}"
    with look.asked(f"{ROW_VERSION}, min({ROW_ID})", rest) as lines:
        return sorted(int(line[1] or 0) for line in lines)


def _equal_rows(look: TableReader, source: RowSource, start: int, rows: int) -> int:
    """Count the rows of the source that are in the table with ids from `start` on."""
    some = min(rows, _PROBE)
    first = _compared(look, source, start, some)
    if some == rows or 2 * first < some:
        return first
    return _compared(look, source, start, rows)


def _compared(look: TableReader, source: RowSource, start: int, rows: int) -> int:
    cells, mine = source.cells, enumerate(source.lines(), start)
    row_id, line = next(mine)
    rest = f"where {ROW_ID} >= {start} and {ROW_ID} < {start + rows} order by {ROW_ID}"
    equal = 0
    with look.asked(quote_columns(source.names), rest, row_ids=True) as lines:
        for found, _, *other in lines:
            while row_id < int(found or 0):
                row_id, line = next(mine)
            equal += cells.given(line) == cells.kept(other)
    return equal
