"""Datasets: files that are listed one by one, each in the version that was chosen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from synapse_workflows.constants import DATASET
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.views import dataset_items, entity_rows, type_masks
from synapse_workflows.local.domain.views.dataset_items import DatasetItem
from synapse_workflows.local.domain.views.entity_rows import EntityItem, EntityTargets
from synapse_workflows.local.domain.views.view_types import DefaultColumn, ViewType
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.models import Entity, EntityVersion


@dataclass(frozen=True)
class DatasetScope:
    """What is in a dataset.

    Args:
        references: the files and their versions.
    """

    references: tuple[DatasetItem, ...]

    @cached_property
    def numbers(self) -> dict[int, int]:
        """Tell which version of a file is listed."""
        return {each.entity_id: each.number for each in self.references}

    def require_size(self, session: Session) -> None:
        """Do nothing: a dataset is bounded when it is written."""

    def items(self, session: Session, *where: ColumnElement[bool]) -> Iterator[EntityItem]:
        """Give the versions that are there and not in the trash can."""
        asked = dataset_items.build_item_table(self.references)
        query = entity_rows.select_versions().join(
            asked, (asked.c.id == Entity.id) & (asked.c.number == EntityVersion.number)
        )
        return entity_rows.iter_items(session, query.where(*where))

    def shows(self, session: Session, entity_id: int) -> bool:
        """Tell whether an entity is listed and there."""
        return (
            entity_id in self.numbers
            and entity_rows.find_not_trashed(session, entity_id) is not None
        )

    def targets(self, session: Session, caller: Caller) -> "DatasetTargets":
        """Give the files that updates write to."""
        return DatasetTargets(session, caller, self.numbers)


class DatasetTargets(EntityTargets):
    """Files of a dataset whose annotations are written.

    Args:
        session: writes the tables.
        caller: who writes.
        numbers: which version of a file is listed.
    """

    def __init__(self, session: Session, caller: Caller, numbers: Mapping[int, int]) -> None:
        super().__init__(session, caller)
        self._numbers = numbers

    def found(self, row_id: int) -> tuple[Entity, EntityVersion]:
        """Give a file that is listed in its current version.

        Raises:
            BadRequest: it is listed in a version that cannot be changed any more.
            Forbidden: the caller may not UPDATE it.
            NotFound: it is not listed, or there is none.
        """
        number, text = self._numbers.get(row_id), format_entity_id(row_id)
        if number is None:
            raise NotFound(f"{text} is not in the dataset.")
        entity, version = super().found(row_id)
        if version.number != number:
            raise BadRequest(
                f"The dataset lists version {number} of {text}; only the annotations of "
                f"the current one, {version.number}, can be changed."
            )
        return entity, version


def _get_scope(properties: Mapping[str, Any]) -> DatasetScope:
    return DatasetScope(dataset_items.get_items(properties))


def _reject_view_scope(_body: Mapping[str, Any]) -> DatasetScope:
    raise BadRequest(
        "viewEntityType must be 'entityview' or 'submissionview' in a ViewScope; a dataset has "
        "items and no scope."
    )


def _get_default_columns(_mask: int | None) -> Sequence[DefaultColumn[EntityItem]]:
    return entity_rows.get_default_columns(type_masks.FILES)


DATASET_TYPE: Final = ViewType(
    concrete_type=DATASET,
    word="dataset",
    fields=entity_rows.DEFAULT_COLUMNS,
    defaults=_get_default_columns,
    scope=_get_scope,
    asked_scope=_reject_view_scope,
    visible_to=entity_rows.is_visible_to,
    open_to=entity_rows.find_readable,
    row_text=format_entity_id,
)
