"""One SQLite file: who may write when, and what is on disk when a request is answered."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Session


class Base(DeclarativeBase):
    """What all tables of the service derive from."""


def _configure_connection(connection: Any, _record: Any) -> None:
    """Prepare a fresh SQLite connection.

    Python's sqlite3 would open transactions by itself, too late and of the wrong kind; we do it.
    """
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # an answered write survives even the loss of power
        "foreign_keys=ON",
        "busy_timeout=30000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_transaction(connection: Connection) -> None:
    """Open the transaction: a writer takes the write lock at once, a reader never."""
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


class Database:
    """The service's SQLite database.

    Writers take turns: first within this process (a lock is fairer and quicker than SQLite's
    polling), then among processes. A reader sees one consistent state and never waits.

    Args:
        path: the database file; its directory must exist. Missing tables are created.
    """

    def __init__(self, path: Path) -> None:
        self._engine = create_engine(
            f"sqlite:///{path}",
            connect_args={"check_same_thread": False},
            pool_size=20,
            max_overflow=60,
        )
        event.listen(self._engine, "connect", _configure_connection)
        event.listen(self._engine, "begin", _begin_transaction)
        self._writer = self._engine.execution_options(writing=True)
        self._turn = threading.Lock()
        with self._turn, self._writer.begin() as connection:
            Base.metadata.create_all(connection)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a session that may write; it commits at the end and rolls back on an error.

        Enter and leave it in one thread: whoever waits for the turn holds a thread.
        """
        with self._turn, Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session on one consistent state; what it changes is thrown away."""
        with Session(self._engine, autoflush=False) as session:
            yield session

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()
