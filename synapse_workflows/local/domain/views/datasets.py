"""Datasets and dataset collections: views of listed entities, each in a fixed version."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from synapse_workflows.constants import DATASET, DATASET_COLLECTION, ENTITY_TYPES
from synapse_workflows.local.domain import request_fields
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.views import (
    container_scope,
    dataset_items,
    entity_rows,
    type_masks,
)
from synapse_workflows.local.domain.views.dataset_items import DatasetItem
from synapse_workflows.local.domain.views.entity_rows import EntityItem, EntityTargets
from synapse_workflows.local.domain.views.view_types import DefaultColumn, ViewType
from synapse_workflows.local.domain.visibility import is_readable_by
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.models import Entity, EntityVersion


@dataclass(frozen=True)
class DatasetScope:
    """Scope of a dataset or dataset collection.

    Args:
        items: Files or datasets, and their versions.
    """

    items: tuple[DatasetItem, ...]

    @cached_property
    def versions(self) -> dict[int, int]:
        """The version number of each item, by entity ID."""
        return {each.entity_id: each.number for each in self.items}

    def check_size(self, session: Session) -> None:
        """Do nothing: the size is checked when the items are stored."""

    def iter_items(self, session: Session, *where: ColumnElement[bool]) -> Iterator[EntityItem]:
        """Iterate over the versions that exist and are not in the trash can."""
        items = dataset_items.select_items(self.items)
        query = entity_rows.select_versions().join(
            items, (items.c.id == Entity.id) & (items.c.number == EntityVersion.number)
        )
        return entity_rows.iter_items(session, query.where(*where))

    def contains(self, session: Session, entity_id: int) -> bool:
        """Return whether an entity is an item and not in the trash can."""
        if entity_id not in self.versions:
            return False
        return entity_rows.find_not_trashed(session, entity_id) is not None

    def get_targets(self, session: Session, caller: Caller) -> "DatasetTargets":
        """Return the entities that row updates change."""
        return DatasetTargets(session, caller, self.versions)


class DatasetTargets(EntityTargets):
    """Items whose annotations row updates change.

    Args:
        session: Database session.
        caller: The caller; must have UPDATE on the items.
        versions: Version number of each item by entity ID.
    """

    def __init__(self, session: Session, caller: Caller, versions: Mapping[int, int]) -> None:
        super().__init__(session, caller)
        self._versions = versions

    def get_current_version(self, row_id: int) -> tuple[Entity, EntityVersion]:
        """Return an item that is listed in its current version.

        Raises:
            BadRequest: The listed version is not the current version of the entity.
                Such versions are immutable.
            Forbidden: The caller may not update the entity.
            NotFound: The entity does not exist or is not an item.
        """
        number, text = self._versions.get(row_id), format_entity_id(row_id)
        if number is None:
            raise NotFound(f"{text} is not an item of this view.")
        entity, version = super().get_current_version(row_id)
        if version.number != number:
            raise BadRequest(
                f"The item is version {number} of {text}. Only the annotations of the current "
                f"version {version.number} can be changed."
            )
        return entity, version


def _get_scope(properties: Mapping[str, Any]) -> DatasetScope:
    return DatasetScope(dataset_items.get_items(properties))


@dataclass(frozen=True)
class _CurrentItems:
    """Scope of a ViewScope: entities in their current versions. It only suggests columns.

    Args:
        ids: IDs of the entities.
    """

    ids: tuple[int, ...]

    def check_size(self, session: Session) -> None:
        """Do nothing: the number of entities is checked when the scope is parsed."""

    def iter_items(self, session: Session, *where: ColumnElement[bool]) -> Iterator[EntityItem]:
        """Iterate over the entities that exist and are not in the trash can."""
        query = entity_rows.select_versions().where(
            EntityVersion.number == Entity.current_version,
            Entity.id.in_(container_scope.select_values(self.ids)),
        )
        return entity_rows.iter_items(session, query.where(*where))


def _parse_scope(body: Mapping[str, Any]) -> _CurrentItems:
    ids = container_scope.parse_ids(request_fields.get_list(body, "scope") or [])
    dataset_items.check_count(len(ids))
    return _CurrentItems(ids)


def _get_file_columns(_mask: int | None) -> Sequence[DefaultColumn[EntityItem]]:
    return entity_rows.get_default_columns(type_masks.FILES)


def _get_dataset_columns(_mask: int | None) -> Sequence[DefaultColumn[EntityItem]]:
    return entity_rows.get_default_columns(type_masks.BITS[ENTITY_TYPES[DATASET]])


DATASET_TYPE: Final = ViewType(
    concrete_type=DATASET,
    name=ENTITY_TYPES[DATASET],
    columns=entity_rows.DEFAULT_COLUMNS,
    get_default_columns=_get_file_columns,
    get_scope=_get_scope,
    parse_scope=_parse_scope,
    is_visible_to=is_readable_by,
    find_readable=entity_rows.find_readable,
    format_row_id=format_entity_id,
)
DATASET_COLLECTION_TYPE: Final = replace(
    DATASET_TYPE,
    concrete_type=DATASET_COLLECTION,
    name=ENTITY_TYPES[DATASET_COLLECTION],
    get_default_columns=_get_dataset_columns,
)
