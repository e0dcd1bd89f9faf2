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
from synapse_workflows.local.domain.views.dataset_items import Reference
from synapse_workflows.local.domain.views.entity_rows import EntityItem, EntityTargets
from synapse_workflows.local.domain.views.view_types import Field, ViewKind
from synapse_workflows.local.errors import BadRequest, NotFound
from synapse_workflows.local.storage.models import Entity, EntityVersion


@dataclass(frozen=True)
class Listed:
    """What is in a dataset.

    Args:
        references: the files and their versions.
    """

    references: tuple[Reference, ...]

    @cached_property
    def numbers(self) -> dict[int, int]:
        """Tell which version of a file is listed."""
        return {each.entity_id: each.number for each in self.references}

    def require_size(self, session: Session) -> None:
        """Do nothing: a dataset is bounded when it is written."""

    def items(self, session: Session, *where: ColumnElement[bool]) -> Iterator[EntityItem]:
        """Give the versions that are there and not in the trash can."""
        asked = dataset_items.named(self.references)
        query = entity_rows.versions().join(
            asked, (asked.c.id == Entity.id) & (asked.c.number == EntityVersion.number)
        )
        return entity_rows.items(session, query.where(*where))

    def shows(self, session: Session, entity_id: int) -> bool:
        """Tell whether an entity is listed and there."""
        return entity_id in self.numbers and entity_rows.living(session, entity_id) is not None

    def targets(self, session: Session, caller: Caller) -> "ListedTargets":
        """Give the files that updates write to."""
        return ListedTargets(session, caller, self.numbers)


class ListedTargets(EntityTargets):
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


def _scope(properties: Mapping[str, Any]) -> Listed:
    return Listed(dataset_items.of(properties))


def _asked_scope(_body: Mapping[str, Any]) -> Listed:
    raise BadRequest(
        "viewEntityType must be 'entityview' or 'submissionview' in a ViewScope; a dataset has "
        "items and no scope."
    )


def _defaults(_mask: int | None) -> Sequence[Field[EntityItem]]:
    return entity_rows.fields_for(type_masks.FILES)


KIND: Final = ViewKind(
    concrete_type=DATASET,
    word="dataset",
    fields=entity_rows.FIELDS,
    defaults=_defaults,
    scope=_scope,
    asked_scope=_asked_scope,
    visible_to=entity_rows.visible_to,
    open_to=entity_rows.open_to,
    row_text=format_entity_id,
)
