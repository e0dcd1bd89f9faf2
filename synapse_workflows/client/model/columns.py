"""Columns of tables, as they are made and as a query answers them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from synapse_workflows.client.model.dict_object import DictObject
from synapse_workflows.constants import MODEL, ColumnType

COLUMN_MODEL: Final = f"{MODEL}.table.ColumnModel"


class Column(DictObject):
    """A column of a table. Columns are immutable: equal ones share one id in all of Synapse.

    Args:
        **kwargs: ``name``, ``columnType`` (of `ColumnType`), ``maximumSize`` (characters of a
            STRING or LINK, 1 to 1000), ``maximumListLength`` (items of a list, 2 to 100),
            ``defaultValue``, ``enumValues``, ``facetType`` (``enumeration`` or ``range``),
            ``id`` of one that is in Synapse.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(kwargs)
        self.setdefault("concreteType", COLUMN_MODEL)

    def copy(self) -> "Column":
        """Copy the items, one level deep."""
        return type(self)(**self)

    def postURI(self) -> str:
        """Say where to create it."""
        return "/column"

    @classmethod
    def getURI(cls, id: str) -> str:
        """Say where to read one."""
        return f"/column/{id}"


class SelectColumn(DictObject):
    """A column as it stands in the header of rows.

    Args:
        id: Of the column, for what is one and no expression.
        columnType: Of `ColumnType`.
        name: In the header.
        **kwargs: Whatever else Synapse says of it.
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
        """Copy the items, one level deep."""
        return type(self)(**self)

    @classmethod
    def from_column(cls, column: Mapping[str, Any]) -> "SelectColumn":
        """Make the header of a column."""
        return cls(column.get("id"), column.get("columnType"), column.get("name"))


def name_of(column: Mapping[str, Any]) -> str | None:
    """Read the name of a column; None for one of which only the id is known."""
    return column.get("name")


def get_column_type(column: Mapping[str, Any]) -> ColumnType | None:
    """Read the type of a column; None for a type that is not known here."""
    try:
        return ColumnType(column["columnType"])
    except (KeyError, ValueError):
        return None


def validate_columns(columns: Iterable[Mapping[str, Any]]) -> None:
    """Check that new columns have a name and a type.

    Raises:
        ValueError: One has not; the message names it.
    """
    for column in columns:
        if not str(column.get("name") or "").strip():
            raise ValueError(f"A column needs a name: {dict(column)}")
        if get_column_type(column) is None:
            raise ValueError(
                f"Column {column['name']!r} has the type {column.get('columnType')!r}; "
                f"there are {', '.join(ColumnType)}."
            )
