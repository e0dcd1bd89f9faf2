"""Items of datasets: files, each in one version."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, String, Subquery, func, literal, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import FILE
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.ids import TRASH, format_entity_id, parse_entity_id
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.models import Entity, EntityVersion

#: Maximum number of items in a dataset.
MAX_ITEMS: Final = 30_000


@dataclass(frozen=True)
class DatasetItem:
    """A version of an entity (EntityRef)."""

    entity_id: int
    number: int

    def serialize(self) -> dict[str, Any]:
        """Return the EntityRef."""
        return {"entityId": format_entity_id(self.entity_id), "versionNumber": self.number}


def parse_items(values: list[Any]) -> list[DatasetItem]:
    """Parse the items of a dataset.

    Raises:
        BadRequest: A value is not a reference to a version, an entity occurs twice, or there are
            too many items.
    """
    if len(values) > MAX_ITEMS:
        raise BadRequest(f"Exceeded the maximum number of {MAX_ITEMS} items; got {len(values)}.")
    items = [_parse_item(each) for each in values]
    entity_ids: set[int] = set()
    for each in items:
        if each.entity_id in entity_ids:
            raise BadRequest(
                "Each dataset item must have a unique entity ID. "
                f"Duplicate: {format_entity_id(each.entity_id)}"
            )
        entity_ids.add(each.entity_id)
    return items


def _parse_item(body: object) -> DatasetItem:
    if not isinstance(body, dict):
        raise BadRequest("Each dataset item must be an object.")
    number = request_fields.get_integer(body, "versionNumber")
    if number is None:
        raise BadRequest("Each dataset item must have a versionNumber.")
    return DatasetItem(parse_entity_id(request_fields.get_required_text(body, "entityId")), number)


def get_items(properties: Mapping[str, Any]) -> tuple[DatasetItem, ...]:
    """Return the items in the properties of a dataset version."""
    items = properties.get("items") or ()
    return tuple(
        DatasetItem(parse_entity_id(each["entityId"]), each["versionNumber"]) for each in items
    )


def select_items(items: Iterable[DatasetItem]) -> Subquery:
    """Return a subquery of items with the columns `id` and `number`."""
    text = json.dumps([[each.entity_id, each.number] for each in items])
    each = func.json_each(literal(text, String)).table_valued("value")
    return select(
        func.json_extract(each.c.value, "$[0]").label("id"),
        func.json_extract(each.c.value, "$[1]").label("number"),
    ).subquery()


def add_summary(
    session: Session, properties: dict[str, Any], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Check new items, and add count, size and checksum of all items.

    Args:
        session: Database session.
        properties: Properties in the request.
        before: Stored properties. Their items are not checked again, because the files may have
            been deleted since.

    Raises:
        BadRequest: A new item is not a file.
        NotFound: The file or version of a new item does not exist.
    """
    items, present = get_items(properties), set(get_items(before))
    files = {row.id: row for row in _load_files(session, items)}
    for item in items:
        if item not in present:
            _check_file(item, files.get(item.entity_id))
    checksums = sorted(row.content_md5 for row in files.values() if row.content_md5)
    summary: dict[str, Any] = {
        "count": len(items),
        "size": sum(row.content_size or 0 for row in files.values()),
    }
    if checksums:
        summary["checksum"] = hashlib.md5("".join(checksums).encode()).hexdigest()
    return {**properties, **summary}


def _load_files(session: Session, items: Iterable[DatasetItem]) -> Iterable[Row[Any]]:
    subquery = select_items(items)
    query = (
        select(
            Entity.id,
            Entity.concrete_type,
            EntityVersion.number,
            FileHandle.content_md5,
            FileHandle.content_size,
        )
        .select_from(subquery)
        .join(Entity, Entity.id == subquery.c.id)
        .outerjoin(
            EntityVersion,
            (EntityVersion.entity_id == subquery.c.id)
            & (EntityVersion.number == subquery.c.number),
        )
        .outerjoin(FileHandle, FileHandle.id == EntityVersion.file_handle_id)
        .where(Entity.benefactor_id != TRASH)
    )
    return session.execute(query)


def _check_file(item: DatasetItem, file: Row[Any] | None) -> None:
    text = format_entity_id(item.entity_id)
    if file is None:
        raise NotFound(f"Resource: '{text}' does not exist")
    if file.concrete_type != FILE:
        raise BadRequest(
            f"Only files can be included in a dataset. {text} is of type {file.concrete_type}"
        )
    if file.number is None:
        raise NotFound(f"Cannot find a node with id {text} and version {item.number}")
