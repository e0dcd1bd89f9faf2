"""Properties of column types: facets, defaults, item types and widths."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from synapse_workflows.constants import MAX_CELL_SIZES, ColumnType

LIST_TYPES: Final = frozenset(kind for kind in ColumnType if kind.endswith("_LIST"))
#: Types for which empty text is a value. For all other types, empty text is null.
TEXT_TYPES: Final = frozenset(
    {ColumnType.STRING, ColumnType.LINK, ColumnType.MEDIUMTEXT, ColumnType.LARGETEXT}
)
#: Types with a `maximumSize`.
SIZED_TYPES: Final = frozenset({ColumnType.STRING, ColumnType.LINK, ColumnType.STRING_LIST})
TYPES_WITHOUT_DEFAULT: Final = frozenset(
    {
        ColumnType.FILEHANDLEID, ColumnType.ENTITYID, ColumnType.SUBMISSIONID,
        ColumnType.EVALUATIONID, ColumnType.USERID, ColumnType.MEDIUMTEXT, ColumnType.LARGETEXT,
        ColumnType.ENTITYID_LIST, ColumnType.USERID_LIST,
    }
)  # fmt: skip
#: Facet type -> column types that support it.
FACET_TYPES: Final[Mapping[str, frozenset[ColumnType]]] = {
    "enumeration": LIST_TYPES
    | {
        ColumnType.STRING, ColumnType.INTEGER, ColumnType.BOOLEAN, ColumnType.USERID,
        ColumnType.ENTITYID,
    },
    "range": frozenset({ColumnType.DATE, ColumnType.DOUBLE, ColumnType.INTEGER}),
}  # fmt: skip

#: List type -> type of its items.
ITEM_TYPES: Final[Mapping[ColumnType, ColumnType]] = {
    kind: ColumnType(kind.removesuffix("_LIST")) for kind in LIST_TYPES
}

#: Maximum number of bytes of a character.
_CHARACTER_WIDTH: Final = 4
#: Type -> bytes of a value; for types with a `maximumSize`, bytes of a character.
_WIDTHS: Final[Mapping[ColumnType, int]] = {
    ColumnType.STRING: _CHARACTER_WIDTH,
    ColumnType.LINK: _CHARACTER_WIDTH,
    ColumnType.MEDIUMTEXT: 421,
    ColumnType.LARGETEXT: 2133,
    ColumnType.INTEGER: 20,
    ColumnType.DOUBLE: 23,
    ColumnType.BOOLEAN: 5,
    ColumnType.DATE: 20,
    ColumnType.ENTITYID: 44,
    ColumnType.FILEHANDLEID: 20,
    ColumnType.USERID: 20,
    ColumnType.SUBMISSIONID: 20,
    ColumnType.EVALUATIONID: 20,
    ColumnType.JSON: 2133,
}


@dataclass(frozen=True)
class Column:
    """A column of a table or view.

    Args:
        id: ID of the ColumnModel.
        name: Name, without surrounding white space, at most 256 characters.
        type: Type of the cells.
        maximum_size: Maximum characters of a cell, or of an item of a STRING_LIST.
        maximum_length: Maximum number of items of a list.
        default: Text of the value that replaces null; None for no default.
        enum_values: The allowed values; empty if any value is allowed.
        facet: `enumeration`, `range` or None.
        body: The ColumnModel in the format of the REST API.
    """

    id: int
    name: str
    type: ColumnType
    maximum_size: int | None
    maximum_length: int | None
    default: str | None
    enum_values: tuple[str, ...]
    facet: str | None
    body: Mapping[str, Any]

    @property
    def width(self) -> int:
        """The number of bytes that the column adds to a row."""
        return get_column_width(self.type, self.maximum_size, self.maximum_length)

    @property
    def max_cell_size(self) -> int:
        """The maximum number of characters of a text cell; 0 for other types."""
        return self.maximum_size or MAX_CELL_SIZES.get(self.type, 0)


def get_column_width(
    kind: ColumnType, maximum_size: int | None, maximum_length: int | None
) -> int:
    """Return the number of bytes that a column adds to a row."""
    item = _WIDTHS[ITEM_TYPES.get(kind, kind)]
    size = maximum_size or 1 if kind in SIZED_TYPES else 1
    length = maximum_length or 1 if kind in LIST_TYPES else 1
    return item * size * length


def parse_column(number: int, body: Mapping[str, Any]) -> Column:
    """Create a column from a validated ColumnModel."""
    return Column(
        id=number,
        name=body["name"],
        type=ColumnType(body["columnType"]),
        maximum_size=body.get("maximumSize"),
        maximum_length=body.get("maximumListLength"),
        default=body.get("defaultValue"),
        enum_values=tuple(body.get("enumValues") or ()),
        facet=body.get("facetType"),
        body={**body, "id": str(number)},
    )
