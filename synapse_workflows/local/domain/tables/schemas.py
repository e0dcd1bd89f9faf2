"""Schemas of tables: validation, history, and the columns of each version."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import MAX_COLUMNS, TABLE, AccessType, MiB
from synapse_workflows.local.domain import access, entities
from synapse_workflows.local.domain.entity_types import CONCRETE_TYPES
from synapse_workflows.local.domain.ids import generate_etag
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables import columns
from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.database import fetch_rows, insert_row
from synapse_workflows.local.storage.models import Entity, EntityVersion
from synapse_workflows.local.storage.table_models import SchemaChange

MAX_ROW_WIDTH: Final = 64_000
_PAGE_SIZE: Final = 2 * MiB
_CHANGES = select(
    SchemaChange.number,
    SchemaChange.etag,
    SchemaChange.column_ids,
    SchemaChange.made_on,
    SchemaChange.made_by,
).where(SchemaChange.entity_id == bindparam("entity_id"))
_LATEST_CHANGE = _CHANGES.order_by(SchemaChange.number.desc()).limit(1)
_CHANGES_AFTER = _CHANGES.where(SchemaChange.number > bindparam("number")).order_by(
    SchemaChange.number
)

Schema = tuple[Column, ...]
#: Number, etag, column IDs, date and user of a `SchemaChange`.
StoredChange = Row[int, str, list[int], int, int]


def validate(session: Session, column_ids: Sequence[int]) -> Schema:
    """Return the columns with the given IDs. Check that they are a valid schema of a table.

    Raises:
        BadRequest: There are too many columns, a row is too wide, or two names are equal.
        NotFound: A column does not exist.
    """
    if len(column_ids) > MAX_COLUMNS:
        raise BadRequest(
            f"Too many columns. The limit is {MAX_COLUMNS} columns per table; "
            f"the schema has {len(column_ids)}."
        )
    schema = columns.load(session, column_ids)
    for name, count in Counter(each.name for each in schema).items():
        if count > 1:
            raise BadRequest(f"Duplicate column name: '{name}'")
    width = get_row_width(schema)
    if width > MAX_ROW_WIDTH:
        raise BadRequest(
            "Too much data per column. The maximum size for a row is about "
            f"{MAX_ROW_WIDTH} bytes. The size for the given columns would be {width} bytes."
        )
    return schema


def get_row_width(schema: Sequence[Column]) -> int:
    """Return the maximum size of a row, in bytes."""
    return sum(each.width for each in schema)


def get_max_rows_per_page(width: int) -> int:
    """Return the number of rows on a page of a query result.

    Args:
        width: Maximum size of a row, in bytes.
    """
    return max(1, _PAGE_SIZE // width) if width else 1


def update_columns(
    session: Session, caller: Caller, entity: Entity, properties: Mapping[str, Any]
) -> None:
    """Record a schema change if the column IDs in the properties of an entity changed.

    The next update of the table applies the change to the rows.

    Raises:
        BadRequest: The columns are not a valid schema.
        NotFound: A column does not exist.
    """
    if "columnIds" not in properties:
        return
    column_ids = [int(number) for number in properties["columnIds"]]
    previous = get_latest_change(session, entity.id)
    if previous is not None and previous.column_ids == column_ids:
        return
    validate(session, column_ids)
    change = SchemaChange(
        entity_id=entity.id,
        number=0 if previous is None else previous.number + 1,
        etag=generate_etag(),
        column_ids=column_ids,
        made_on=caller.now,
        made_by=caller.id,
    )
    insert_row(session, change)


def sync_current_version(session: Session, entity: Entity) -> None:
    """Set the columns of the current version of a table to those of the latest schema change.

    Call this function after another version became current because a version was deleted.
    """
    latest = get_latest_change(session, entity.id)
    if entity.concrete_type == TABLE and latest is not None:
        version = entities.get_version(session, entity)
        column_ids = [str(each) for each in latest.column_ids]
        version.properties = {**version.properties, "columnIds": column_ids}


def get_latest_change(session: Session, entity_id: int) -> StoredChange | None:
    """Return the last schema change of a table."""
    changes = fetch_rows(session, _LATEST_CHANGE, entity_id=entity_id)
    return changes[0] if changes else None


def list_changes_after(session: Session, entity_id: int, number: int) -> Sequence[StoredChange]:
    """List the schema changes of a table with a number above `number`, oldest first."""
    return fetch_rows(session, _CHANGES_AFTER, entity_id=entity_id, number=number)


def get_version_schema(session: Session, version: EntityVersion) -> Schema:
    """Return the columns of a version of a table."""
    return columns.load(session, map(int, version.properties.get("columnIds", ())))


def has_columns(entity: Entity) -> bool:
    """Return whether an entity has columns. Tables and all types of views have columns."""
    return "columnIds" in CONCRETE_TYPES[entity.concrete_type].fields


def get_table_bundle(session: Session, entity: Entity, version: EntityVersion) -> dict[str, Any]:
    """Return the `tableBundle` part of an entity bundle; empty for entities without columns."""
    if not has_columns(entity):
        return {}
    schema = get_version_schema(session, version)
    bundle: dict[str, Any] = {"columnModels": [dict(each.body) for each in schema]}
    if schema:
        bundle["maxRowsPerPage"] = get_max_rows_per_page(get_row_width(schema))
    return {"tableBundle": bundle}


def list_columns(
    session: Session, caller: Caller, entity_id: int, number: int | None
) -> list[dict[str, Any]]:
    """List the columns of a version of a table; None for the current version.

    Raises:
        Forbidden: The caller may not READ the table.
        NotFound: The entity or version does not exist, or it is not a table.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    if not has_columns(entity):
        raise NotFound(f"syn{entity_id} is not a table or view")
    version = entities.get_version(session, entity, number)
    return [dict(each.body) for each in get_version_schema(session, version)]
