"""Table columns: column models and the columns of a result set."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypedDict, Unpack

from synapse_workflows.client.model.argument_types import ColumnTypeName
from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.constants import MODEL, ColumnType

COLUMN_MODEL: Final = f"{MODEL}.table.ColumnModel"


class ColumnFields(TypedDict, total=False):
    """Fields of a `Column`; see the REST type ColumnModel."""

    id: str
    name: str
    columnType: ColumnTypeName | ColumnType
    maximumSize: int
    maximumListLength: int
    defaultValue: str
    enumValues: list[str]
    facetType: Literal["enumeration", "range"]
    jsonSubColumns: list[dict[str, Any]]
    concreteType: str


class Column(DictObject):
    """A column of a table.

    Columns are immutable in Synapse. Columns with identical fields have the same ID.

    Args:
        **kwargs: ``name``, ``columnType`` (a `ColumnType`), ``maximumSize`` (characters of a
            STRING or LINK, 1 to 1000), ``maximumListLength`` (items of a list, 2 to 100),
            ``defaultValue``, ``enumValues``, ``facetType`` (``enumeration`` or ``range``), and
            the ``id`` of a stored column.
    """

    def __init__(self, **kwargs: Unpack[ColumnFields]) -> None:
        super().__init__(kwargs)
        self.setdefault("concreteType", COLUMN_MODEL)

    def copy(self) -> "Column":
        """Return a shallow copy."""
        return type(self)(**self)

    def postURI(self) -> str:
        """Return the URI that creates a column."""
        return "/column"

    @classmethod
    def getURI(cls, id: str) -> str:
        """Return the URI of a column."""
        return f"/column/{id}"


class SelectColumn(DictObject):
    """A column in the header of a row set.

    Args:
        id: ID of the column; None for an expression.
        columnType: A `ColumnType`.
        name: Name in the header.
        **kwargs: Further fields returned by Synapse.
    """

    def __init__(
        self,
        id: str | None = None,
        columnType: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        given = {"id": id, "columnType": columnType, "name": name}
        super().__init__({key: value for key, value in given.items() if value is not None})
        self.update(kwargs)

    def copy(self) -> "SelectColumn":
        """Return a shallow copy."""
        return type(self)(**self)

    @classmethod
    def from_column(cls, column: Mapping[str, Any]) -> "SelectColumn":
        """Create a SelectColumn from any mapping that describes a column."""
        return cls(column.get("id"), column.get("columnType"), column.get("name"))


def get_column_type(column: Mapping[str, Any]) -> ColumnType | None:
    """Return the type of a column, or None if it is missing or unknown."""
    try:
        return ColumnType(column["columnType"])
    except (KeyError, ValueError):
        return None


def validate_columns(columns: Iterable[Mapping[str, Any]]) -> None:
    """Validate that each new column has a name and a known type.

    Raises:
        ValueError: A column has no name, or its type is unknown.
    """
    for column in columns:
        if not str(column.get("name") or "").strip():
            raise ValueError(f"Invalid column {dict(column)}: a column must have a name.")
        if get_column_type(column) is None:
            raise ValueError(
                f"Invalid type {column.get('columnType')!r} of column {column['name']!r}: "
                f"expected one of {', '.join(ColumnType)}."
            )
