"""What kinds of views have in common, and what each of them must say of itself.

A `ViewKind` names its default columns and who may see a row. It makes the `Scope` of a view,
which knows what is in it: the `Item`s that are rows, and what an update of a row writes to.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables.cell_values import StoredValue
from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.errors import BadRequest

#: Containers, evaluations or items that a view may name, with all containers below them.
MAX_SCOPE: Final = 35_000


@dataclass(frozen=True)
class ViewItem:
    """One thing that a view shows.

    Args:
        row_id: its number.
        version: of it.
        etag: with which it is updated.
        guard: number of the entity or evaluation whose readers may see it.
        modified_on: milliseconds since the epoch.
        file_size: bytes of its file; None for what has none.
        annotations: `{key: {"type": ..., "value": [...]}}`.
    """

    row_id: int
    version: int
    etag: str
    guard: int
    modified_on: int
    file_size: int | None
    annotations: Mapping[str, Any]


ItemT = TypeVar("ItemT", bound=ViewItem)


@dataclass(frozen=True)
class DefaultColumn(Generic[ItemT]):
    """A default column.

    Args:
        name: of the column.
        type: of the column.
        read: gives the cell of an item.
        size: characters, of STRING columns.
        words: the only values, where there are few.
    """

    name: str
    type: ColumnType
    read: Callable[[ItemT], StoredValue]
    size: int | None = None
    words: tuple[str, ...] = ()

    def body(self) -> dict[str, Any]:
        """Write it as a ColumnModel."""
        size = {} if self.size is None else {"maximumSize": self.size}
        words = {"enumValues": sorted(self.words)} if self.words else {}
        return {"name": self.name, "columnType": self.type.value, **size, **words}


@dataclass(frozen=True)
class AnnotationTarget:
    """What an update of a row writes to; the caller may.

    Args:
        name: what errors call it.
        etag: the current one.
        annotations: as they are.
        taken: names that cannot be keys of annotations.
        write: replaces the annotations; the caller flushes.
    """

    name: str
    etag: str
    annotations: Mapping[str, Any]
    taken: frozenset[str]
    write: Callable[[dict[str, Any]], None] = field(repr=False)


class AnnotationTargets(Protocol):
    """What the updates of one transaction write to, for one caller."""

    def expect(self, row_ids: Collection[int]) -> None:
        """Read what rows show that are asked for next, all at once."""

    def of(self, row_id: int) -> AnnotationTarget:
        """Give what an update of a row writes to.

        Raises:
            BadRequest: it cannot be changed.
            Forbidden: the caller may not change it.
            NotFound: there is no such row.
        """


class ViewScope(Protocol):
    """What is in a view."""

    def require_size(self, session: Session) -> None:
        """Check that it is not too much.

        Raises:
            BadRequest: it is.
        """

    def items(self, session: Session, *where: ColumnElement[bool]) -> Iterator[ViewItem]:
        """Give the items, by id, and as many at a time as memory bears.

        Args:
            session: reads the tables.
            where: what an item must fulfil besides, as `ViewKind.visible_to` says it.
        """

    def shows(self, session: Session, entity_id: int) -> bool:
        """Tell whether an entity is one of the items."""

    def targets(self, session: Session, caller: Caller) -> AnnotationTargets:
        """Give what updates of rows write to."""


@dataclass(frozen=True)
class ViewType:
    """One kind of views.

    Args:
        concrete_type: of the entity.
        word: of the kind, in requests that concern no view that exists.
        fields: all default columns that a view of the kind can have.
        defaults: gives those for a type mask.
        scope: makes the scope of what a version of a view has for properties.
        asked_scope: makes that of a ViewScope.
        visible_to: makes the condition that a caller may see an item.
        open_to: tells of guards which of them let a caller see items.
        row_text: writes the id of a row.
    """

    concrete_type: str
    word: str
    fields: Sequence[DefaultColumn[Any]] = field(repr=False)
    defaults: Callable[[int | None], Sequence[DefaultColumn[Any]]] = field(repr=False)
    scope: Callable[[Mapping[str, Any]], ViewScope] = field(repr=False)
    asked_scope: Callable[[Mapping[str, Any]], ViewScope] = field(repr=False)
    visible_to: Callable[[Caller], ColumnElement[bool]] = field(repr=False)
    open_to: Callable[[Session, Caller, Collection[int]], set[int]] = field(repr=False)
    row_text: Callable[[int], str] = field(repr=False)

    def field_of(self, column: Column) -> DefaultColumn[Any] | None:
        """Give the field that a column shows, by name and type; None for an annotation."""
        for each in self.fields:
            if (each.name, each.type) == (column.name, column.type):
                return each
        return None


def check_scope_size(count: int) -> None:
    """Check that there are not too many containers in a scope.

    Raises:
        BadRequest: there are.
    """
    if count > MAX_SCOPE:
        raise BadRequest(
            f"The view's scope exceeds the maximum number of {MAX_SCOPE} containers. "
            "Note: The sub-folders of each project and folder in the scope count towards it."
        )
