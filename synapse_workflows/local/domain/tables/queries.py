"""Queries: what a request asks for, the statement made of it, and the rows that come out."""

import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.async_jobs import CutOff, Run
from synapse_workflows.local.domain.ids import entity_and_version
from synapse_workflows.local.domain.tables import cell_values, query_filters, queryables
from synapse_workflows.local.domain.tables.sql import dialect, sqlite_functions
from synapse_workflows.local.domain.tables.sql.compiler import Compiler
from synapse_workflows.local.domain.tables.sql.errors import Complaints
from synapse_workflows.local.domain.tables.sql.select_compiler import Statement, compile_select
from synapse_workflows.local.domain.tables.table_queryable import Asked, Source
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.query_sandbox import StoppedError, TooLongError, guarded

log = logging.getLogger("synapse_workflows.local")

Cells = list[str | None]


@dataclass(frozen=True)
class Query:
    """What a request of class Query asks.

    Args:
        tree: the SQL with filters, facets and sorting put into it.
        plain: the SQL without the facets.
        text: the SQL as it came.
        limit: on top of that of the SQL; None for none.
        offset: on top of that of the SQL.
        body: the request.
    """

    tree: exp.Select
    plain: exp.Select
    text: str
    limit: int | None
    offset: int
    body: Mapping[str, Any]


def read_query(body: Mapping[str, Any]) -> Query:
    """Read a Query.

    Raises:
        BadRequest: there is no SQL, or it is none of the subset.
    """
    text = request_fields.required(body, "sql")
    tree = dialect.parse(text)
    plain = query_filters.filtered(tree, body)
    limit, offset = (
        request_fields.integer(body, "limit"),
        request_fields.integer(body, "offset") or 0,
    )
    if offset < 0 or (limit is not None and limit < 0):
        raise BadRequest("limit and offset must not be negative.")
    return Query(plain, plain, text, limit, offset, body)


@dataclass(frozen=True)
class Answering:
    """A query at work on a table.

    Args:
        run: the job.
        query: what is asked.
        source: where the rows are.
        statement: for SQLite; None for a table without columns.
        connection: guarded.
    """

    run: Run
    query: Query
    source: Source
    statement: Statement | None
    connection: sqlite3.Connection

    def compile(self, tree: exp.Select) -> Statement:
        """Rewrite a query of the same table for SQLite.

        Raises:
            BadRequest: it says what is not supported, or names unknown columns.
        """
        return compile_select(tree, _compiler(self.run, self.source, tree))

    def one(self, text: str, bound: tuple[Any, ...]) -> Any:
        """Give the first cell of a statement's first row."""
        return self.connection.execute(text, bound).fetchone()[0]

    def rows(self, limit: int | None, offset: int) -> Iterator[tuple[Any, ...]]:
        """Give rows of the result as they are stored; row id and version come first."""
        if self.statement is None:
            return
        yield from self.connection.execute(*self.statement.limited(limit, offset))

    @property
    def wants_etags(self) -> bool:
        """Tell whether the etags of rows are asked for; only rows of views have any."""
        return request_fields.flag(self.query.body, "includeEntityEtag")

    @property
    def leading(self) -> int:
        """How many cells of a row come before those of the result."""
        if self.statement is None or not self.statement.has_rows:
            return 0
        return 3 if self.statement.has_etags else 2

    def writers(self) -> list[Callable[[Any], str]]:
        """Give what writes the cells of the result, by column."""
        found = () if self.statement is None else self.statement.columns
        return [cell_values.writer(each.kind) for each in found]


def _compiler(run: Run, source: Source, tree: exp.Select) -> Compiler:
    name, alias = dialect.table_of(tree)
    return Compiler(
        relation=source.relation,
        columns={each.name: each for each in source.schema},
        names=frozenset({name.upper(), *([alias.upper()] if alias else [])}),
        caller_id=run.caller.id,
        now=run.caller.now,
    )


@contextmanager
def answering(run: Run, body: Mapping[str, Any]) -> Iterator[Answering]:
    """Open the table of a query, and rewrite the query for it.

    Raises:
        BadRequest: the query cannot be answered, or took too long.
        Forbidden: the caller may not read the table.
        NotFound: there is no such table or version.
    """
    query = read_query(body)
    entity_id, number = entity_and_version(dialect.table_of(query.tree)[0])
    seconds = run.service.settings.query_seconds
    with queryables.opened(Asked(run.service, run.caller, entity_id, number)) as source:
        complaints = sqlite_functions.install(source.connection)
        query = replace(query, tree=query_filters.with_facets(query.plain, body, source.schema))
        with (
            _understood(seconds, complaints),
            guarded(
                source.connection, sqlite_functions.ALLOWED, seconds, run.progress.is_stopping
            ) as connection,
        ):
            work = Answering(run, query, source, None, connection)
            if source.schema:
                work = replace(work, statement=work.compile(query.tree))
            yield work


@contextmanager
def _understood(seconds: float, complaints: Complaints) -> Iterator[None]:
    """Say what SQLite or a function of ours refused in words for the caller."""
    try:
        yield
    except StoppedError:
        raise CutOff from None
    except TooLongError:
        raise BadRequest(f"The query took longer than {seconds:g} seconds.") from None
    except sqlite3.Error as error:
        if "stack overflow" in str(error) or "maximum depth" in str(error):
            raise BadRequest("The SQL is nested too deeply.") from None
        if complaints.last is not None:
            raise BadRequest(complaints.last) from None
        if "too big" in str(error):
            raise BadRequest("The query makes a value that is too large.") from None
        log.warning("a query was refused by SQLite: %s", error)
        raise BadRequest(f"The query cannot be evaluated: {error}") from None
