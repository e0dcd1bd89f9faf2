"""Interface of view types: default columns, scopes, rows, and permissions.

A `ViewType` describes one type of view. It creates the `ViewScope` of a view, which selects the
`ViewItem`s that are the rows of the view and the objects to which updates of rows are written.
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

#: Maximum number of containers or evaluations in a scope, sub-folders included.
MAX_SCOPE: Final = 35_000


@dataclass(frozen=True)
class ViewItem:
    """An object that is a row of a view.

    Args:
        row_id: Number of the object.
        version: Version of the object.
        etag: Etag that an update of the row must carry.
        benefactor_id: Entity or evaluation whose ACL decides who may read the row.
        modified_on: Milliseconds since the epoch.
        file_size: Size of the object's file in bytes; None if it has no file.
        annotations: `{key: {"type": ..., "value": [...]}}`.
    """

    row_id: int
    version: int
    etag: str
    benefactor_id: int
    modified_on: int
    file_size: int | None
    annotations: Mapping[str, Any]


ItemT = TypeVar("ItemT", bound=ViewItem)


@dataclass(frozen=True)
class DefaultColumn(Generic[ItemT]):
    """A default column of a view type.

    Args:
        name: Name of the column.
        type: Type of the column.
        get_cell: Returns the cell of an item.
        max_size: Maximum size in characters, for STRING columns.
        enum_values: The allowed values; empty for any value.
    """

    name: str
    type: ColumnType
    get_cell: Callable[[ItemT], StoredValue]
    max_size: int | None = None
    enum_values: tuple[str, ...] = ()

    def to_column_model(self) -> dict[str, Any]:
        """Return the column as a ColumnModel without ID."""
        body: dict[str, Any] = {"name": self.name, "columnType": self.type.value}
        if self.max_size is not None:
            body["maximumSize"] = self.max_size
        if self.enum_values:
            body["enumValues"] = sorted(self.enum_values)
        return body


@dataclass(frozen=True)
class AnnotationTarget:
    """An object whose annotations an update of a row changes.

    Args:
        name: Name of the object in error messages.
        etag: Current etag.
        annotations: Current annotations.
        reserved_names: Names that are not allowed as keys of annotations.
        write: Replaces the annotations. The caller flushes the session.
    """

    name: str
    etag: str
    annotations: Mapping[str, Any]
    reserved_names: frozenset[str]
    write: Callable[[dict[str, Any]], None] = field(repr=False)


class AnnotationTargets(Protocol):
    """Objects that the row updates of one transaction change."""

    def prefetch(self, row_ids: Collection[int]) -> None:
        """Load the objects of several rows with one query."""

    def get(self, row_id: int) -> AnnotationTarget:
        """Return the object of a row.

        Raises:
            BadRequest: The object cannot be changed through this view.
            Forbidden: The caller may not change the object.
            NotFound: The row does not exist.
        """


class ItemScope(Protocol):
    """Selection of objects, for suggestions of columns."""

    def check_size(self, session: Session) -> None:
        """Check that the scope is not too large.

        Raises:
            BadRequest: The scope is too large.
        """

    def iter_items(self, session: Session, *where: ColumnElement[bool]) -> Iterator[ViewItem]:
        """Iterate over the items, ordered by ID, in batches of bounded size.

        Args:
            session: Database session.
            where: Further conditions, such as `ViewType.is_visible_to`.
        """


class ViewScope(ItemScope, Protocol):
    """Selection of the objects that a view shows."""

    def contains(self, session: Session, entity_id: int) -> bool:
        """Return whether an entity is one of the items."""

    def get_targets(self, session: Session, caller: Caller) -> AnnotationTargets:
        """Return the objects that row updates change."""


@dataclass(frozen=True)
class ViewType:
    """A type of view.

    Args:
        concrete_type: Concrete type of the view entity.
        name: The type's viewEntityType.
        columns: All default columns of the type.
        get_default_columns: Returns the default columns for a type mask.
        get_scope: Returns the scope stored in the properties of a view version.
        parse_scope: Parses the scope in a ViewScope.
        is_visible_to: Returns the SQL condition that a caller may read an item.
        find_readable: Returns the subset of the benefactor IDs whose rows a caller may read.
        format_row_id: Formats the ID of a row.
    """

    concrete_type: str
    name: str
    columns: Sequence[DefaultColumn[Any]] = field(repr=False)
    get_default_columns: Callable[[int | None], Sequence[DefaultColumn[Any]]] = field(repr=False)
    get_scope: Callable[[Mapping[str, Any]], ViewScope] = field(repr=False)
    parse_scope: Callable[[Mapping[str, Any]], ItemScope] = field(repr=False)
    is_visible_to: Callable[[Caller], ColumnElement[bool]] = field(repr=False)
    find_readable: Callable[[Session, Caller, Collection[int]], set[int]] = field(repr=False)
    format_row_id: Callable[[int], str] = field(repr=False)

    def find_default_column(self, column: Column) -> DefaultColumn[Any] | None:
        """Return the default column with the name and type of a column.

        Returns:
            The default column; None if the column holds an annotation.
        """
        for each in self.columns:
            if (each.name, each.type) == (column.name, column.type):
                return each
        return None


def check_scope_size(count: int) -> None:
    """Check that a scope does not have too many containers.

    Raises:
        BadRequest: The scope has too many containers.
    """
    if count > MAX_SCOPE:
        raise BadRequest(
            f"The view's scope exceeds the maximum number of {MAX_SCOPE} containers. "
            "Note: The sub-folders of each project and folder in the scope count towards it."
        )
