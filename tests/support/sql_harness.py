"""Queries without a service: a table in memory, and what the dialect makes of SQL on it."""

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
SIZES = {"STRING": {"maximumSize": 1000}, "STRING_LIST": {"maximumSize": 1000}}


class Memory:
    """A table `syn1` of columns: name -> type."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        bodies = [
            {"name": name, "columnType": kind, "maximumListLength": 100, **SIZES.get(kind, {})}
            for name, kind in columns.items()
        ]
        made = [parse_column(number, body) for number, body in enumerate(bodies, 1)]
        self.columns = {each.name: each for each in made}
        self.cells = {each.id: f"c{each.id}" for each in made}
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        names = "".join(f", {cell}" for cell in self.cells.values())
        self.connection.execute(f"create table live (row_id integer primary key, version{names})")
        self.errors = sqlite_functions.install(self.connection)

    def fill(self, rows: Sequence[Sequence[str | None]]) -> None:
        """Replace the rows; cells are text as clients send it."""
        parsers = [cell_values.get_cell_parser(each) for each in self.columns.values()]
        marks = ", ?" * len(parsers)
        stored = (
            (number, 1, *(parse(cell) for parse, cell in zip(parsers, row, strict=True)))
            for number, row in enumerate(rows, 1)
        )
        self.connection.execute("begin")
        self.connection.execute("delete from live")
        self.connection.executemany(f"insert into live values (?, ?{marks})", stored)
        self.connection.execute("commit")

    def compile(self, sql: str) -> Statement:
        """Rewrite a query."""
        tree = dialect.parse(sql)
        name, alias = dialect.get_table(tree)
        names = frozenset({name.upper(), *([alias.upper()] if alias else [])})
        relation = Relation("live", (), self.cells)
        return compile_select(tree, QueryContext(relation, self.columns, names, 7, NOW))

    def raw(self, sql: str) -> list[tuple[Any, ...]]:
        """Answer a query with cells as they are stored, without row id and version."""
        statement = self.compile(sql)
        leading = 2 if statement.has_rows else 0
        self.errors.last = None
        with sandbox(self.connection, sqlite_functions.ALLOWED_FUNCTIONS, 60) as safe:
            return [row[leading:] for row in safe.execute(*statement.with_limit()).fetchall()]

    def ask(self, sql: str) -> list[list[str | None]]:
        """Answer a query with cells as clients read them."""
        writers = [cell_values.get_serializer(each.type) for each in self.compile(sql).columns]
        return [
            [
                None if cell is None else write(cell)
                for write, cell in zip(writers, row, strict=True)
            ]
            for row in self.raw(sql)
        ]

    def one(self, value: str, where: str = "row_id = 1") -> str | None:
        """Give the value of an expression in the one row of a condition."""
        return self.ask(f"select {value} from syn1 where {where}")[0][0]

    def found(self, condition: str) -> list[int]:
        """List the rows that a condition finds."""
        return [row[0] for row in self.raw(f"select row_id from syn1 where {condition}")]

    def failure(self, value: str) -> str:
        """Say why an expression has no answer."""
        try:
            answer = self.raw(f"select {value} from syn1")
        except sqlite3.OperationalError:
            assert self.errors.last is not None
            return self.errors.last
        raise AssertionError(answer)

    def close(self) -> None:
        """Let go of the memory."""
        self.connection.close()
