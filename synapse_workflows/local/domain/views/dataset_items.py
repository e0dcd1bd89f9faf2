"""Items of datasets (files) and of dataset collections (datasets), each in one version."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, String, Subquery, func, literal, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import DATASET, FILE
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.ids import TRASH, format_entity_id, parse_entity_id
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.models import Entity, EntityVersion

#: Maximum number of items in a dataset or dataset collection.
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
    """Parse the items of a dataset or dataset collection.

    Raises:
        BadRequest: A value is not a reference to a version, an entity occurs twice, or there are
            too many items.
    """
    check_count(len(values))
    items = [_parse_item(each) for each in values]
    entity_ids: set[int] = set()
    for each in items:
        if each.entity_id in entity_ids:
            raise BadRequest(
                "Each item must have a unique entity ID. "
                f"Duplicate: {format_entity_id(each.entity_id)}"
            )
        entity_ids.add(each.entity_id)
    return items


def check_count(count: int) -> None:
    """Check that there are not too many items.

    Raises:
        BadRequest: There are too many items.
    """
    if count > MAX_ITEMS:
        raise BadRequest(f"Exceeded the maximum number of {MAX_ITEMS} items; got {count}.")


def _parse_item(body: object) -> DatasetItem:
    if not isinstance(body, dict):
        raise BadRequest("Each item must be an object.")
    number = request_fields.get_integer(body, "versionNumber")
    if number is None:
        raise BadRequest("Each item must have a versionNumber.")
    return DatasetItem(parse_entity_id(request_fields.get_required_text(body, "entityId")), number)


def get_items(properties: Mapping[str, Any]) -> tuple[DatasetItem, ...]:
    """Return the items in the properties of a version."""
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
    items = get_items(properties)
    files = _load_new_items(session, properties, before, FILE)
    checksums = sorted(row.content_md5 for row in files.values() if row.content_md5)
    summary: dict[str, Any] = {
        "count": len(items),
        "size": sum(row.content_size or 0 for row in files.values()),
    }
    if checksums:
        summary["checksum"] = hashlib.md5("".join(checksums).encode()).hexdigest()
    return {**properties, **summary}


def check_datasets(
    session: Session, properties: dict[str, Any], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Check the new items of a dataset collection. The arguments are those of `add_summary`.

    Returns:
        The properties, unchanged.

    Raises:
        BadRequest: A new item is not a dataset.
        NotFound: The dataset or version of a new item does not exist.
    """
    _load_new_items(session, properties, before, DATASET)
    return properties


def _load_new_items(
    session: Session, properties: Mapping[str, Any], before: Mapping[str, Any], concrete_type: str
) -> dict[int, Row[Any]]:
    """Check the type of new items, and return the versions of all items by entity ID."""
    items, present = get_items(properties), set(get_items(before))
    rows = {row.id: row for row in _select_item_versions(session, items)}
    for item in items:
        if item not in present:
            _check_item(item, rows.get(item.entity_id), concrete_type)
    return rows


def _select_item_versions(session: Session, items: Iterable[DatasetItem]) -> Iterable[Row[Any]]:
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


def _check_item(item: DatasetItem, row: Row[Any] | None, concrete_type: str) -> None:
    text = format_entity_id(item.entity_id)
    if row is None:
        raise NotFound(f"Resource: '{text}' does not exist")
    if row.concrete_type != concrete_type:
        rule = "files can be included in a dataset"
        if concrete_type == DATASET:
            rule = "datasets can be included in a dataset collection"
        raise BadRequest(f"Only {rule}. {text} is of type {row.concrete_type}")
    if row.number is None:
        raise NotFound(f"Cannot find a node with id {text} and version {item.number}")
