"""A connection on which a caller's query runs: it can read the rows of one table, nothing else.

The statement is ours, made of a checked tree. This is the second wall: whatever the statement
said, SQLite refuses to look at other tables, to call other functions, to write, or to go on for
long.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final

#: What a query may read.
_TABLES: Final = frozenset({"live", "past", "json_each", ""})
_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_LENGTH: 64 << 20,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 16 << 20,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
#: Instructions of SQLite between two looks at the clock.
_STEPS: Final = 200


class QueryTimeoutError(Exception):
    """The query ran longer than it may."""


class QueryCancelledError(Exception):
    """The query was stopped, as the service ends."""


def _authorizer(functions: Collection[str]) -> Callable[..., int]:
    def decide(action: int, first: Any, second: Any, _database: Any, _inner: Any) -> int:
        if action == sqlite3.SQLITE_SELECT:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ and first in _TABLES:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and second in functions:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    return decide


@contextmanager
def sandbox(
    connection: sqlite3.Connection,
    functions: Collection[str],
    seconds: float,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Iterator[sqlite3.Connection]:
    """Put the wall around a connection.

    Args:
        connection: opened to read only; closed or let go of after this.
        functions: names of those that statements may call.
        seconds: that all statements together may take.
        is_stopped: asked now and then whether to give up.

    Raises:
        TooLongError: they took longer.
        StoppedError: they were stopped.
    """
    over = stopped = False
    deadline = time.monotonic() + seconds

    def look() -> int:
        nonlocal over, stopped
        over, stopped = time.monotonic() > deadline, is_stopped()
        return 1 if over or stopped else 0

    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    connection.set_authorizer(_authorizer(functions))
    connection.set_progress_handler(look, _STEPS)
    try:
        yield connection
    except sqlite3.OperationalError:
        if stopped:
            raise QueryCancelledError from None
        if over:
            raise QueryTimeoutError from None
        raise
    finally:
        connection.set_authorizer(None)
        connection.set_progress_handler(None, 0)
