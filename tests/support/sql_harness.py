"""An in-memory table that runs compiled queries without a service."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from synapse_workflows.local.domain.tables import cell_values
from synapse_workflows.local.domain.tables.column_types import parse_column
from synapse_workflows.local.domain.tables.sql import dialect, sqlite_functions
from synapse_workflows.local.domain.tables.sql.compiler import QueryContext, Relation
from synapse_workflows.local.domain.tables.sql.select_compiler import Statement, compile_select
from synapse_workflows.local.storage.query_sandbox import sandbox

NOW = 1_600_000_000_000
CALLER_ID = 7
SIZES = {"STRING": {"maximumSize": 1000}, "STRING_LIST": {"maximumSize": 1000}}


class MemoryTable:
    """A table `syn1` with columns name -> type."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        bodies = [
            {"name": name, "columnType": type_, "maximumListLength": 100, **SIZES.get(type_, {})}
            for name, type_ in columns.items()
        ]
        parsed = [parse_column(number, body) for number, body in enumerate(bodies, 1)]
        self.columns = {each.name: each for each in parsed}
        self.cells = {each.id: f"c{each.id}" for each in parsed}
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        names = "".join(f", {cell}" for cell in self.cells.values())
        self.connection.execute(f"create table live (row_id integer primary key, version{names})")
        self.errors = sqlite_functions.install(self.connection)

    def fill(self, rows: Sequence[Sequence[str | None]]) -> None:
        """Replace the rows. Cells are text, as clients send them."""
        parsers = [cell_values.get_cell_parser(each) for each in self.columns.values()]
        self.fill_stored(
            [[parse(cell) for parse, cell in zip(parsers, row, strict=True)] for row in rows]
        )

    def fill_stored(self, rows: Sequence[Sequence[Any]]) -> None:
        """Replace the rows; values have the types that the database stores. Row IDs start at 1."""
        marks = ", ?" * len(self.columns)
        stored = ((number, 1, *row) for number, row in enumerate(rows, 1))
        self.connection.execute("begin")
        self.connection.execute("delete from live")
        self.connection.executemany(f"insert into live values (?, ?{marks})", stored)
        self.connection.execute("commit")

    def compile(self, sql: str) -> Statement:
        """Compile a query."""
        tree = dialect.parse(sql)
        name, alias = dialect.get_table(tree)
        names = frozenset({name.upper(), *([alias.upper()] if alias else [])})
        context = QueryContext(
            Relation("live", (), self.cells), self.columns, names, CALLER_ID, NOW
        )
        return compile_select(tree, context)

    def fetch_stored(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the values of a query's result as SQLite returns them, without row metadata."""
        statement = self.compile(sql)
        metadata_width = 2 if statement.has_rows else 0
        self.errors.last = None
        with sandbox(self.connection, sqlite_functions.ALLOWED_FUNCTIONS, 60) as connection:
            rows = connection.execute(*statement.with_limit()).fetchall()
        return [row[metadata_width:] for row in rows]

    def fetch(self, sql: str) -> list[list[str | None]]:
        """Return the cells of a query's result as clients receive them."""
        serializers = [cell_values.get_serializer(each.type) for each in self.compile(sql).columns]
        return [
            [
                None if value is None else serialize(value)
                for serialize, value in zip(serializers, row, strict=True)
            ]
            for row in self.fetch_stored(sql)
        ]

    def evaluate(self, expression: str, where: str = "row_id = 1") -> str | None:
        """Return the value of an expression in the row that a condition selects."""
        return self.fetch(f"select {expression} from syn1 where {where}")[0][0]

    def find_rows(self, condition: str) -> list[int]:
        """Return the IDs of the rows that a condition selects."""
        return [row[0] for row in self.fetch_stored(f"select row_id from syn1 where {condition}")]

    def get_error(self, expression: str) -> str:
        """Return the message of the error that an expression causes."""
        try:
            result = self.fetch_stored(f"select {expression} from syn1")
        except sqlite3.Error as error:
            return self.errors.last or str(error)
        raise AssertionError(result)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
