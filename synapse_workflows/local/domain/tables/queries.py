"""Execution of queries: parsing a request, compiling its SQL for SQLite, reading the result."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.ids import parse_entity_version
from synapse_workflows.local.domain.tables import cell_values, query_filters
from synapse_workflows.local.domain.tables.query_errors import (
    translate_cancellation,
    translate_errors,
    translate_timeout,
)
from synapse_workflows.local.domain.tables.queryable import Queryable, QueryTarget
from synapse_workflows.local.domain.tables.queryable_registry import open_queryable
from synapse_workflows.local.domain.tables.sql import dialect, sqlite_functions
from synapse_workflows.local.domain.tables.sql.compiler import QueryContext
from synapse_workflows.local.domain.tables.sql.select_compiler import Statement, compile_select
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.query_sandbox import (
    QueryLimits,
    sandbox,
)


@dataclass(frozen=True)
class Query:
    """A parsed request of type Query.

    Args:
        tree: The SQL with filters, facets and sorting applied.
        tree_without_facets: The SQL with filters and sorting applied.
        text: The unparsed SQL of the request.
        limit: Maximum number of rows, in addition to a LIMIT of the SQL; None for no maximum.
        offset: Rows to skip, in addition to an OFFSET of the SQL.
        body: The request.
    """

    tree: exp.Select
    tree_without_facets: exp.Select
    text: str
    limit: int | None
    offset: int
    body: Mapping[str, Any]


def parse_query(body: Mapping[str, Any]) -> Query:
    """Parse a Query. The facets are applied later, because they need the schema of the table.

    Raises:
        BadRequest: The SQL is missing or not supported, or a filter is invalid.
    """
    text = request_fields.get_required_text(body, "sql")
    tree = query_filters.apply_filters(dialect.parse(text), body)
    limit = request_fields.get_integer(body, "limit")
    offset = request_fields.get_integer(body, "offset") or 0
    if offset < 0 or (limit is not None and limit < 0):
        raise BadRequest("limit and offset must not be negative.")
    return Query(tree, tree, text, limit, offset, body)


@dataclass(frozen=True)
class QueryExecution:
    """A query that is being executed on a table or view.

    Args:
        run: The job.
        query: The query.
        queryable: The rows.
        statement: The compiled statement; None for a table without columns.
        connection: The sandboxed connection.
    """

    run: JobRun
    query: Query
    queryable: Queryable
    statement: Statement | None
    connection: sqlite3.Connection

    def compile(self, tree: exp.Select) -> Statement:
        """Compile another query on the rows of this execution.

        Raises:
            BadRequest: The query is not supported or names an unknown column.
        """
        return compile_select(tree, _create_context(self.run, self.queryable, tree))

    def fetch_value(self, text: str, bound: tuple[Any, ...]) -> Any:
        """Return the first cell of the first row of a statement."""
        return self.connection.execute(text, bound).fetchone()[0]

    def iter_rows(self, limit: int | None, offset: int) -> Iterator[tuple[Any, ...]]:
        """Yield the stored values of each row, after the row metadata (ID, version, etag)."""
        if self.statement is None:
            return
        yield from self.connection.execute(*self.statement.with_limit(limit, offset))

    @property
    def includes_etags(self) -> bool:
        """Whether the request includes row etags. Only rows of views have etags."""
        return request_fields.get_boolean(self.query.body, "includeEntityEtag")

    @property
    def metadata_width(self) -> int:
        """The number of leading cells of a row that hold its metadata."""
        if self.statement is None or not self.statement.has_rows:
            return 0
        return 3 if self.statement.has_etags else 2

    def get_serializers(self) -> list[Callable[[Any], str]]:
        """Return the function that serializes stored values, for each column of the result."""
        columns = () if self.statement is None else self.statement.columns
        return [cell_values.get_serializer(each.type) for each in columns]


def _create_context(run: JobRun, queryable: Queryable, tree: exp.Select) -> QueryContext:
    name, alias = dialect.get_table(tree)
    return QueryContext(
        relation=queryable.relation,
        columns={each.name: each for each in queryable.schema},
        table_names=frozenset({name.upper(), *([alias.upper()] if alias else [])}),
        caller_id=run.caller.id,
        now=run.caller.now,
    )


@contextmanager
def open_query(run: JobRun, body: Mapping[str, Any]) -> Iterator[QueryExecution]:
    """Open the table or view of a query and compile the query for it.

    Raises:
        BadRequest: The query is invalid or exceeds the time limit.
        JobCancelled: The user cancelled the job.
        Forbidden: The caller may not read the table.
        NotFound: The table or version does not exist.
    """
    query = parse_query(body)
    entity_id, number = parse_entity_version(dialect.get_table(query.tree)[0])
    seconds = run.service.settings.query_seconds
    limits = QueryLimits(seconds, run.progress.is_interrupted)
    target = QueryTarget(run.service, run.caller, entity_id, number, limits)
    with (
        translate_cancellation(run.progress),
        translate_timeout(seconds),
        open_queryable(target) as queryable,
    ):
        recorder = sqlite_functions.install(queryable.connection)
        tree = query_filters.apply_facets(query.tree_without_facets, body, queryable.schema)
        query = replace(query, tree=tree)
        with (
            translate_errors(seconds, recorder),
            sandbox(
                queryable.connection,
                sqlite_functions.ALLOWED_FUNCTIONS,
                limits.remaining_seconds,
                limits.is_cancelled,
            ) as connection,
        ):
            execution = QueryExecution(run, query, queryable, None, connection)
            if queryable.schema:
                execution = replace(execution, statement=execution.compile(query.tree))
            yield execution
