"""SQLite database of the service: transactions, locking and durability."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVarTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Row,
    Select,
    Table,
    Update,
    bindparam,
    create_engine,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapper,
    Session,
    SessionTransaction,
    make_transient_to_detached,
)
from sqlalchemy.orm.attributes import instance_dict, set_committed_value
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import TypedReturnsRows

Columns = TypeVarTuple("Columns")


#: Idempotent statements that follow the creation of the tables, at each start. The modules with
#: the tables add their triggers and initial rows.
SETUP_STATEMENTS: Final[list[str]] = []


class Base(DeclarativeBase):
    """Base class of all tables of the service."""


def fetch_rows(
    session: Session, statement: TypedReturnsRows[*Columns], **parameters: Any
) -> Sequence[Row[*Columns]]:
    """Return the rows of a statement for columns, several times faster than `Session.execute`.

    Args:
        session: Database session.
        statement: Statement that was built once, since that takes longer than its execution.
        parameters: Values of its `bindparam`.
    """
    if session.autoflush:
        session.flush()
    return session.connection().execute(statement, parameters).all()


def execute(
    session: Session,
    statement: UpdateBase,
    parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> None:
    """Change rows that the session has not loaded, several times faster than `Session.execute`.

    Args:
        session: Database session with write access.
        statement: INSERT, UPDATE or DELETE that was built once.
        parameters: Values of its `bindparam` and of columns; a sequence executes the statement
            once for each element.
    """
    session.flush()
    if parameters:
        session.connection().execute(statement, parameters)


def insert_row(session: Session, row: Base) -> None:
    """Insert a row and add it to the session, several times faster than `Session.flush`.

    Args:
        session: Database session with write access.
        row: New row with its primary key, of a table whose columns have no default.
    """
    names = inspect(row).unloaded
    values = {name: value for name, value in vars(row).items() if not name.startswith("_")}
    execute(session, _build_insert(type(row)), values)
    for name in names:
        set_committed_value(row, name, None)
    make_transient_to_detached(row)
    session.add(row)


def update_row(session: Session, row: Base, /, **values: Any) -> None:
    """Change columns of a row of the session, several times faster than `Session.flush`.

    Args:
        session: Database session with write access.
        row: Row of the session.
        values: New values of columns outside of the primary key.
    """
    session.flush()
    key = inspect(row).identity or ()
    keys = {f"key_{index}": value for index, value in enumerate(key)}
    execute(session, _build_update(inspect(type(row))), {**keys, **values})
    for name, value in values.items():
        set_committed_value(row, name, value)


@cache
def _build_insert(model: type[Base]) -> Insert:
    return insert(model)


@cache
def _build_update(mapper: Mapper[Any]) -> Update:
    return update(mapper).where(*_build_key_condition(mapper))


class _Session(Session):
    """Session that reads each row once by its primary key, with a query that is built once.

    Args:
        bind: The engine.
        begin: Statement that starts the transaction. BEGIN IMMEDIATE takes the write lock.
        options: Arguments of `Session`.
    """

    def __init__(self, bind: Engine, begin: str, **options: Any) -> None:
        super().__init__(bind, **options)
        self.begin_statement = begin
        #: Rows that `get` returned. A session alone only has weak references to its rows.
        self._rows: list[Any] = []

    def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        """Return a row by its primary key, a tuple for a composite key; None if it is missing."""
        values = ident if isinstance(ident, tuple) else (ident,)
        mapper = inspect(entity)
        if options or mapper.identity_key_from_primary_key(values) in self.identity_map:
            return super().get(entity, ident, **options)
        parameters = {f"key_{index}": value for index, value in enumerate(values)}
        found = fetch_rows(self, _select_by_key(mapper), **parameters)
        if not found:
            return None
        row = mapper.class_manager.new_instance()  # faster than a query for mapped objects
        instance_dict(row).update(found[0]._asdict())
        make_transient_to_detached(row)
        self.add(row)
        self._rows.append(row)
        return row

    def get_one(self, entity: Any, ident: Any, **options: Any) -> Any:
        """Return a row by its primary key.

        Raises:
            NoResultFound: No such row.
        """
        row = self.get(entity, ident, **options)
        if row is None:
            raise NoResultFound(f"No row of {entity.__name__} has the key {ident}.")
        return row


@event.listens_for(_Session, "after_begin")
def _begin_transaction(session: _Session, _: SessionTransaction, connection: Connection) -> None:
    """Start a transaction. A listener of the engine would make every statement slower."""
    connection.exec_driver_sql(session.begin_statement)


@cache
def _select_by_key(mapper: Mapper[Any]) -> Select[Any]:
    columns = (each.expression for each in mapper.column_attrs if not each.deferred)
    return select(*columns).where(*_build_key_condition(mapper))


def _build_key_condition(mapper: Mapper[Any]) -> list[ColumnElement[bool]]:
    keys = enumerate(mapper.primary_key)
    return [column == bindparam(f"key_{index}") for index, column in keys]


def _configure_connection(connection: Any, synchronous: str) -> None:
    """Configure a new SQLite connection, with the function `unicode_lower`.

    With `isolation_level=None`, Python's sqlite3 starts no transactions. `_begin_transaction`
    starts them instead.
    """
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        f"synchronous={synchronous}",
        "foreign_keys=ON",
        "busy_timeout=30000",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.create_function("unicode_lower", 1, _lower, deterministic=True)


def _lower(text: str | None) -> str | None:
    """Return a text in lowercase. The function `lower` of SQLite only converts ASCII letters."""
    return None if text is None else text.lower()


def _create_missing_tables(connection: Connection) -> None:
    names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
    existing = set(names.scalars())
    for table in Base.metadata.sorted_tables:
        if table.name not in existing:
            for statement in _render_table(table):
                connection.exec_driver_sql(statement)
    for statement in SETUP_STATEMENTS:
        connection.exec_driver_sql(statement)


@cache
def _render_table(table: Table) -> tuple[str, ...]:
    """Return the statements that create a table. They run in less time than they are rendered."""
    elements: list[CreateTable | CreateIndex] = [
        CreateTable(table),
        *map(CreateIndex, table.indexes),
    ]
    return tuple(str(each.compile(dialect=sqlite.dialect())) for each in elements)


class Database:
    """The service's SQLite database.

    There is one writer at a time. Writers of this process wait for a lock, which is faster and
    fairer than the polling of SQLite; writers of different processes poll. Readers see one
    consistent state and never wait.

    Args:
        path: The database file. Its directory must exist. Missing tables are created.
        durable: Whether a commit survives a power failure.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self._engine = create_engine(
            f"sqlite:///{path}",
            connect_args={"check_same_thread": False},
            pool_size=20,
            max_overflow=60,
        )
        synchronous = "FULL" if durable else "OFF"
        event.listen(
            self._engine, "connect", lambda new, _: _configure_connection(new, synchronous)
        )
        self._lock = threading.Lock()
        with self.write_transaction() as session:
            _create_missing_tables(session.connection())

    @contextmanager
    def write_transaction(self) -> Iterator[Session]:
        """Open a session that may write. Commit at the end, roll back on an error.

        Enter and exit the context in the same thread.
        """
        with (
            self._lock,
            _Session(self._engine, "BEGIN IMMEDIATE", expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def read_transaction(self) -> Iterator[Session]:
        """Open a session that reads one consistent state. Changes in the session are discarded."""
        with _Session(self._engine, "BEGIN", autoflush=False) as session:
            yield session

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
