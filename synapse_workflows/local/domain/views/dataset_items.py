"""What a dataset lists: files, each in one of its versions."""

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

#: Items of a dataset.
MAX_ITEMS: Final = 30_000


@dataclass(frozen=True)
class DatasetItem:
    """One version of an entity (EntityRef)."""

    entity_id: int
    number: int

    def wire(self) -> dict[str, Any]:
        """Write it."""
        return {"entityId": format_entity_id(self.entity_id), "versionNumber": self.number}


def parse_items(given: list[Any]) -> list[DatasetItem]:
    """Read the items of a body.

    Raises:
        BadRequest: one is no reference to a version, an entity occurs twice, or they are too many.
    """
    if len(given) > MAX_ITEMS:
        raise BadRequest(f"Exceeded the maximum number of {MAX_ITEMS} items; got {len(given)}.")
    items = [_parse_item(each) for each in given]
    seen: set[int] = set()
    for each in items:
        if each.entity_id in seen:
            raise BadRequest(
                "Each dataset item must have a unique entity ID. "
                f"Duplicate: {format_entity_id(each.entity_id)}"
            )
        seen.add(each.entity_id)
    return items


def _parse_item(body: object) -> DatasetItem:
    if not isinstance(body, dict):
        raise BadRequest("Each dataset item must be an object.")
    number = request_fields.get_integer(body, "versionNumber")
    if number is None:
        raise BadRequest("Each dataset item must have a versionNumber.")
    return DatasetItem(parse_entity_id(request_fields.get_required_text(body, "entityId")), number)


def get_items(properties: Mapping[str, Any]) -> tuple[DatasetItem, ...]:
    """Give the items of a version of a dataset."""
    items = properties.get("items") or ()
    return tuple(
        DatasetItem(parse_entity_id(each["entityId"]), each["versionNumber"]) for each in items
    )


def build_item_table(items: Iterable[DatasetItem]) -> Subquery:
    """Make a relation of items: `id` and `number`."""
    text = json.dumps([[each.entity_id, each.number] for each in items])
    each = func.json_each(literal(text, String)).table_valued("value")
    return select(
        func.json_extract(each.c.value, "$[0]").label("id"),
        func.json_extract(each.c.value, "$[1]").label("number"),
    ).subquery()


def check_items(
    session: Session, properties: dict[str, Any], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Check the items that are new, and sum up all of them.

    Args:
        session: reads the tables.
        properties: as the body says.
        before: as they were; what was deleted since may stay.

    Raises:
        BadRequest: one is no file.
        NotFound: there is no such file or version.
    """
    items, known = get_items(properties), set(get_items(before))
    found = {row.id: row for row in _select_files(session, items)}
    for item in items:
        if item not in known:
            _check_file(item, found.get(item.entity_id))
    sums = sorted(row.content_md5 for row in found.values() if row.content_md5)
    total = {"count": len(items), "size": sum(row.content_size or 0 for row in found.values())}
    if sums:
        total["checksum"] = hashlib.md5("".join(sums).encode()).hexdigest()
    return {**properties, **total}


def _select_files(session: Session, items: Iterable[DatasetItem]) -> Iterable[Row[Any]]:
    asked = build_item_table(items)
    query = (
        select(
            Entity.id,
            Entity.concrete_type,
            EntityVersion.number,
            FileHandle.content_md5,
            FileHandle.content_size,
        )
        .select_from(asked)
        .join(Entity, Entity.id == asked.c.id)
        .outerjoin(
            EntityVersion,
            (EntityVersion.entity_id == asked.c.id) & (EntityVersion.number == asked.c.number),
        )
        .outerjoin(FileHandle, FileHandle.id == EntityVersion.file_handle_id)
        .where(Entity.benefactor_id != TRASH)
    )
    return session.execute(query)


def _check_file(item: DatasetItem, found: Row[Any] | None) -> None:
    text = format_entity_id(item.entity_id)
    if found is None:
        raise NotFound(f"Resource: '{text}' does not exist")
    if found.concrete_type != FILE:
        raise BadRequest(
            f"Only files can be included in a dataset. {text} is of type {found.concrete_type}"
        )
    if found.number is None:
        raise NotFound(f"Cannot find a node with id {text} and version {item.number}")
