"""Rows of materialized views. They are built by a query, and again after a source changed."""
# ruff: noqa: S608 - the SQL consists of generated names and of compiled queries

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace

from sqlalchemy.orm import Session

from synapse_workflows.local.domain import access, entities, principal
from synapse_workflows.local.domain.ids import parse_entity_version
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.tables import schemas
from synapse_workflows.local.domain.tables.query_errors import translate_errors
from synapse_workflows.local.domain.tables.queryable import Queryable, QueryTarget
from synapse_workflows.local.domain.tables.schemas import Schema
from synapse_workflows.local.domain.tables.sql import defining_sql, sqlite_functions
from synapse_workflows.local.domain.tables.sql.defining_sql import DefiningStatement
from synapse_workflows.local.domain.tables.sql.joined_columns import SourceTable
from synapse_workflows.local.domain.views import cache, materialized_views
from synapse_workflows.local.storage.models import EntityVersion
from synapse_workflows.local.storage.query_sandbox import QueryLimits, sandbox
from synapse_workflows.local.storage.view_store import ViewFile, ViewRow

OpenSource = Callable[[QueryTarget], AbstractContextManager[Queryable]]


@contextmanager
def open_rows(
    service: Service, view_id: int, limits: QueryLimits, open_source: OpenSource
) -> Iterator[tuple[ViewFile, sqlite3.Connection]]:
    """Open the current rows of a materialized view without an access check.

    The rows include all changes of its sources that were committed before this call.

    Args:
        service: The service.
        view_id: Entity ID of the view.
        limits: Time limit and cancellation of the query that reads the rows.
        open_source: Opens the rows of a source.

    Raises:
        BadRequest: The definingSQL no longer fits its sources, or a value is too long.
        NotFound: The view or a source does not exist.
    """
    caller = principal.create_service_caller(service.now())
    with ExitStack() as stack:
        with service.database.read_transaction() as session:
            properties = _get_current_version(session, view_id).properties
            tables = materialized_views.load_source_tables(session, properties)
        sources = {}
        for name in tables:
            entity_id, number = parse_entity_version(name)
            target = QueryTarget(service, caller, entity_id, number, limits)
            sources[name] = stack.enter_context(open_source(target))
        tables = {
            name: replace(table, schema=sources[name].schema) for name, table in tables.items()
        }
        sql = properties["definingSQL"]
        statement = defining_sql.compile_sql(defining_sql.parse(sql), tables, caller.now)
        schema = _update_columns(service, view_id, sql, statement)
        etags = [each.etag for each in sources.values()]
        state = (sql, [each.id for each in schema], etags)

        def create() -> tuple[object, ViewFile]:
            return state, _Builder(service, sources, tables, limits).write(schema, statement)

        opened = service.views.open_current(
            view_id, lambda known: known == state, create, limits.check
        )
        yield stack.enter_context(opened)


def _get_current_version(session: Session, view_id: int) -> EntityVersion:
    return entities.get_version(session, access.get_not_trashed(session, view_id))


def _update_columns(
    service: Service, view_id: int, sql: str, statement: DefiningStatement
) -> Schema:
    """Return the columns of the rows. Store them in the view if the columns of a source changed.

    Raises:
        BadRequest: A column has an invalid name.
    """
    models = materialized_views.build_column_models(statement.columns)
    with service.database.read_transaction() as session:
        schema = schemas.get_version_schema(session, _get_current_version(session, view_id))
    if [{**each.body, "id": None} for each in schema] == [{**each, "id": None} for each in models]:
        return schema
    with service.database.write_transaction() as session:
        column_ids = materialized_views.create_columns(session, statement.columns)
        version = _get_current_version(session, view_id)
        if version.properties["definingSQL"] == sql:
            ids = [str(each) for each in column_ids]
            version.properties = {**version.properties, "columnIds": ids}
        return schemas.validate(session, column_ids)


class _Builder:
    """Builder of the rows of a materialized view.

    Args:
        service: The service.
        sources: The opened sources, by their names in the definingSQL.
        tables: The copies of the sources in the database of the builder.
        limits: Time limit and cancellation of the query that reads the rows.
    """

    def __init__(
        self,
        service: Service,
        sources: Mapping[str, Queryable],
        tables: Mapping[str, SourceTable],
        limits: QueryLimits,
    ) -> None:
        self._limits = limits
        self._service = service
        self._sources = sources
        self._tables = tables

    def write(self, schema: Schema, statement: DefiningStatement) -> ViewFile:
        """Write the rows to a new file."""
        seconds = self._service.settings.query_seconds
        with closing(sqlite3.connect("", isolation_level=None)) as connection:
            connection.execute("PRAGMA temp_store=FILE")
            for name, table in self._tables.items():
                _copy_rows(self._sources[name], table, connection, self._limits)
            recorder = sqlite_functions.install(connection)
            names = [each.name for each in self._tables.values()]
            with (
                translate_errors(seconds, recorder),
                sandbox(
                    connection,
                    sqlite_functions.ALLOWED_FUNCTIONS,
                    min(seconds, self._limits.remaining_seconds),
                    self._limits.is_cancelled,
                    tables=names,
                ) as restricted,
            ):
                return cache.write_rows(
                    self._service,
                    schema,
                    self._iter_rows(restricted, statement),
                    self._limits,
                )

    def _iter_rows(
        self, connection: sqlite3.Connection, statement: DefiningStatement
    ) -> Iterator[ViewRow]:
        changed_on = max(each.changed_on for each in self._sources.values())
        result = connection.execute(statement.sql, statement.params)
        for number, (benefactors, *cells) in enumerate(result, 1):
            group = materialized_views.normalize_benefactors(benefactors)
            yield (number, 0, None, group, changed_on, None, *cells)


def _copy_rows(
    source: Queryable, table: SourceTable, connection: sqlite3.Connection, limits: QueryLimits
) -> None:
    """Copy the rows of a source to a table of the builder's database."""
    relation = source.relation
    selected = [
        "row_id",
        "version",
        "etag" if relation.has_etags else "NULL",
        table.benefactors or "NULL",
        *(relation.cells[each.id] for each in source.schema),
    ]
    cells = ["row_id INTEGER PRIMARY KEY", "version", "etag", "benefactors"]
    cells += [f"c{position}" for position in range(len(source.schema))]
    marks = ", ".join("?" * len(selected))
    connection.execute(f"CREATE TABLE {table.name} ({', '.join(cells)})")
    rows = source.connection.execute(
        f"SELECT {', '.join(selected)} FROM {relation.sql}", relation.params
    )
    connection.execute("BEGIN")
    connection.executemany(f"INSERT INTO {table.name} VALUES ({marks})", limits.iter_checked(rows))
    connection.execute("COMMIT")
