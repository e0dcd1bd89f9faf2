"""Which columns a table has, now and in its versions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import MAX_COLUMNS, TABLE, AccessType, MiB
from synapse_workflows.local.domain import access, entities
from synapse_workflows.local.domain.entity_types import KINDS
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables import columns
from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.models import Entity, EntityVersion
from synapse_workflows.local.storage.table_models import SchemaChange

MAX_WIDTH: Final = 64_000
_PAGE: Final = 2 * MiB

Schema = tuple[Column, ...]


def validate(session: Session, column_ids: Sequence[int]) -> Schema:
    """Give the columns when they can be those of one table.

    Raises:
        BadRequest: they are too many, too wide, or two have one name.
        NotFound: there is no such column.
    """
    if len(column_ids) > MAX_COLUMNS:
        raise BadRequest(
            f"Too many columns. The limit is {MAX_COLUMNS} columns per table; "
            f"these are {len(column_ids)}."
        )
    found = columns.load(session, column_ids)
    for name, times in Counter(each.name for each in found).items():
        if times > 1:
            raise BadRequest(f"Duplicate column name: '{name}'")
    wide = get_row_width(found)
    if wide > MAX_WIDTH:
        raise BadRequest(
            f"Too much data per column. The maximum size for a row is about {MAX_WIDTH} bytes. "
            f"The size for the given columns would be {wide} bytes."
        )
    return found


def get_row_width(found: Sequence[Column]) -> int:
    """Tell how many bytes a row of these columns may have."""
    return sum(each.width for each in found)


def get_max_rows_per_page(wide: int) -> int:
    """Tell how many rows of so many bytes a page of a query holds."""
    return max(1, _PAGE // wide) if wide else 1


def update_columns(
    session: Session, caller: Caller, entity: Entity, properties: Mapping[str, Any]
) -> None:
    """Give a table the columns that its new properties name; its rows follow later.

    Nothing happens where the entity is no table, or has these columns already.

    Raises:
        BadRequest: the columns cannot be those of one table.
        NotFound: there is no such column.
    """
    if "columnIds" not in properties:
        return
    wanted = [int(number) for number in properties["columnIds"]]
    previous = get_latest_change(session, entity.id)
    if previous is not None and previous.column_ids == wanted:
        return
    validate(session, wanted)
    record_change(session, caller, entity.id, wanted)


def record_change(
    session: Session, caller: Caller, entity_id: int, column_ids: list[int]
) -> SchemaChange:
    """Note which columns a table has from now on."""
    previous = get_latest_change(session, entity_id)
    change = SchemaChange(
        entity_id=entity_id,
        number=0 if previous is None else previous.number + 1,
        etag=entities.new_etag(),
        column_ids=column_ids,
        made_on=caller.now,
        made_by=caller.id,
    )
    session.add(change)
    session.flush()
    return change


def sync_current_version(session: Session, entity: Entity) -> None:
    """Let the version that is now the current one of a table have the columns of the rows."""
    latest = get_latest_change(session, entity.id)
    if entity.concrete_type == TABLE and latest is not None:
        version = entities.version_of(session, entity, None)
        column_ids = [str(each) for each in latest.column_ids]
        version.properties = {**version.properties, "columnIds": column_ids}


def get_latest_change(session: Session, entity_id: int) -> SchemaChange | None:
    """Give the last change of a table's columns."""
    last = select(func.max(SchemaChange.number)).where(SchemaChange.entity_id == entity_id)
    number = session.scalar(last)
    return None if number is None else session.get(SchemaChange, (entity_id, number))


def list_changes_after(session: Session, entity_id: int, number: int) -> list[SchemaChange]:
    """List the changes of a table's columns that came after one, oldest first."""
    later = select(SchemaChange).where(
        SchemaChange.entity_id == entity_id, SchemaChange.number > number
    )
    return list(session.scalars(later.order_by(SchemaChange.number)))


def get_version_schema(session: Session, version: EntityVersion) -> Schema:
    """Give the columns of a version of a table."""
    return columns.load(session, map(int, version.properties.get("columnIds", ())))


def has_columns(entity: Entity) -> bool:
    """Tell whether the entity has columns, whatever kind of table it is."""
    return "columnIds" in KINDS[entity.concrete_type].fields


def get_table_bundle(session: Session, entity: Entity, version: EntityVersion) -> dict[str, Any]:
    """Give the TableBundle of a version; nothing for what is no table."""
    if not has_columns(entity):
        return {}
    found = get_version_schema(session, version)
    told: dict[str, Any] = {"columnModels": [dict(each.body) for each in found]}
    if found:
        told["maxRowsPerPage"] = get_max_rows_per_page(get_row_width(found))
    return {"tableBundle": told}


def list_columns(
    session: Session, caller: Caller, entity_id: int, number: int | None
) -> list[dict[str, Any]]:
    """List the columns of a version of a table, the current one for None.

    Raises:
        Forbidden: the caller may not READ it.
        NotFound: no such entity or version, or it is no table.
    """
    entity = access.require(session, caller, entity_id, AccessType.READ)
    if not has_columns(entity):
        raise NotFound(f"syn{entity_id} is not a table or view")
    version = entities.version_of(session, entity, number)
    return [dict(each.body) for each in get_version_schema(session, version)]
