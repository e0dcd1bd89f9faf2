"""Sandbox for a caller's query: read access to the rows of given tables, with a time limit.

The service compiles statements from a validated syntax tree. The sandbox is a second line of
defence: SQLite rejects access to any other table, calls of any other function, and writes. It
stops statements that exceed the time limit.
"""

import math
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: SQLite tables that a statement may read.
_TABLES: Final = frozenset({"live", "past", "json_each", ""})
_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_LENGTH: 64 << 20,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 16 << 20,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
#: Number of SQLite instructions between two checks of the time limit.
_CHECK_INTERVAL: Final = 200


class QueryTimeoutError(Exception):
    """The query exceeded its time limit."""


class QueryCancelledError(Exception):
    """The query was cancelled."""


class QueryLimits:
    """Time limit and cancellation of one query, including the building of the rows it reads.

    Args:
        seconds: Time limit from now on, in seconds; infinite by default.
        is_cancelled: Returns True if the query is cancelled.
    """

    def __init__(
        self, seconds: float = math.inf, is_cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        self.is_cancelled = is_cancelled
        self._deadline = time.monotonic() + seconds

    @property
    def remaining_seconds(self) -> float:
        """The time until the limit, in seconds."""
        return self._deadline - time.monotonic()

    def check(self) -> None:
        """Check that the query may continue.

        Raises:
            QueryTimeoutError: The query exceeded the time limit.
            QueryCancelledError: The query was cancelled.
        """
        if self.is_cancelled():
            raise QueryCancelledError
        if self.remaining_seconds < 0:
            raise QueryTimeoutError

    def iter_checked(self, rows: Iterable[T]) -> Iterator[T]:
        """Yield rows, and call `check` before each row."""
        for row in rows:
            self.check()
            yield row


def _create_authorizer(functions: Collection[str], tables: Collection[str]) -> Callable[..., int]:
    def authorize(action: int, first: Any, second: Any, _database: Any, _inner: Any) -> int:
        if action == sqlite3.SQLITE_SELECT:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ and first in tables:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and second in functions:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    return authorize


@contextmanager
def sandbox(
    connection: sqlite3.Connection,
    functions: Collection[str],
    seconds: float,
    is_cancelled: Callable[[], bool] = lambda: False,
    tables: Collection[str] = (),
) -> Iterator[sqlite3.Connection]:
    """Restrict a connection to queries on its table.

    Args:
        connection: A read-only connection. Do not use it for other work afterwards.
        functions: Names of the functions that statements may call.
        seconds: Time limit for all statements together.
        is_cancelled: Called regularly; returns True to cancel the query.
        tables: Names of further SQLite tables that statements may read.

    Raises:
        QueryTimeoutError: The statements exceeded the time limit.
        QueryCancelledError: `is_cancelled` returned True.
    """
    is_timed_out = was_cancelled = False
    deadline = time.monotonic() + seconds

    def check_limits() -> int:
        nonlocal is_timed_out, was_cancelled
        is_timed_out, was_cancelled = time.monotonic() > deadline, is_cancelled()
        return 1 if is_timed_out or was_cancelled else 0

    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    connection.set_authorizer(_create_authorizer(functions, {*_TABLES, *tables}))
    connection.set_progress_handler(check_limits, _CHECK_INTERVAL)
    try:
        yield connection
    except sqlite3.OperationalError:
        if was_cancelled:
            raise QueryCancelledError from None
        if is_timed_out:
            raise QueryTimeoutError from None
        raise
    finally:
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)
