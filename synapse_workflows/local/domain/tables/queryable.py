"""Rows that a query reads, for all types of entities that can be queried."""

import sqlite3
from dataclasses import dataclass, field

from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.tables.schemas import Schema
from synapse_workflows.local.domain.tables.sql.compiler import Relation
from synapse_workflows.local.storage.query_sandbox import QueryLimits


@dataclass(frozen=True)
class QueryTarget:
    """The entity to query and the caller who queries it.

    Args:
        service: The service.
        caller: The caller. The visible rows depend on the permissions of the caller.
        entity_id: The entity.
        number: A version of the entity; None for the current version.
        limits: Time limit and cancellation.
    """

    service: Service
    caller: Caller
    entity_id: int
    number: int | None
    limits: QueryLimits = field(default_factory=QueryLimits)


@dataclass(frozen=True)
class Queryable:
    """Rows of a table or view in one consistent state, with their schema.

    Args:
        table_id: Synapse ID of the entity, for example `syn123`.
        number: The requested version; None for the current version.
        schema: The columns.
        relation: The rows, as SQL.
        connection: Read-only SQLite connection to the database with the relation.
        etag: Etag of the last change.
        changed_on: Date of the last change, in milliseconds since the epoch.
        size_column: Column of the relation with the size of the file of each row; None if rows
            have no files.
    """

    table_id: str
    number: int | None
    schema: Schema
    relation: Relation
    connection: sqlite3.Connection
    etag: str
    changed_on: int
    size_column: str | None = None
