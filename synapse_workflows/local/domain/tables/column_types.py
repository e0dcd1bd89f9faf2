"""What each type of column may have, and how wide it makes a row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from synapse_workflows.constants import MAX_CELL_SIZES, ColumnType

LIST_TYPES: Final = frozenset(kind for kind in ColumnType if kind.endswith("_LIST"))
#: Types whose empty text is a value; that of others is null.
TEXT_TYPES: Final = frozenset(
    {ColumnType.STRING, ColumnType.LINK, ColumnType.MEDIUMTEXT, ColumnType.LARGETEXT}
)
#: Types whose columns say how long their text may be.
SIZED_TYPES: Final = frozenset({ColumnType.STRING, ColumnType.LINK, ColumnType.STRING_LIST})
#: Types whose values are whole numbers in storage.
INTEGER_TYPES: Final = frozenset(
    {
        ColumnType.INTEGER, ColumnType.DATE, ColumnType.ENTITYID, ColumnType.FILEHANDLEID,
        ColumnType.USERID, ColumnType.SUBMISSIONID, ColumnType.EVALUATIONID, ColumnType.BOOLEAN,
    }
)  # fmt: skip
TYPES_WITHOUT_DEFAULT: Final = frozenset(
    {
        ColumnType.FILEHANDLEID, ColumnType.ENTITYID, ColumnType.SUBMISSIONID,
        ColumnType.EVALUATIONID, ColumnType.USERID, ColumnType.MEDIUMTEXT, ColumnType.LARGETEXT,
        ColumnType.ENTITYID_LIST, ColumnType.USERID_LIST,
    }
)  # fmt: skip
#: Types by kind of facet.
FACET_TYPES: Final[Mapping[str, frozenset[ColumnType]]] = {
    "enumeration": LIST_TYPES
    | {
        ColumnType.STRING, ColumnType.INTEGER, ColumnType.BOOLEAN, ColumnType.USERID,
        ColumnType.ENTITYID,
    },
    "range": frozenset({ColumnType.DATE, ColumnType.DOUBLE, ColumnType.INTEGER}),
}  # fmt: skip

#: Type of a list -> type of its items.
ITEM_TYPES: Final[Mapping[ColumnType, ColumnType]] = {
    kind: ColumnType(kind.removesuffix("_LIST")) for kind in LIST_TYPES
}

_CHARACTER: Final = 4
_WIDTHS: Final[Mapping[ColumnType, int]] = {
    ColumnType.STRING: _CHARACTER,
    ColumnType.LINK: _CHARACTER,
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
    """One column of a table.

    Args:
        id: of its ColumnModel.
        name: trimmed, at most 256 characters.
        type: what its cells hold.
        maximum_size: characters of a cell, or of an item of a STRING_LIST.
        maximum_length: items of a list.
        default: text of the value that a null becomes.
        words: the only values it takes, when there are any.
        facet: `enumeration`, `range` or None.
        body: the ColumnModel as it is on the wire.
    """

    id: int
    name: str
    type: ColumnType
    maximum_size: int | None
    maximum_length: int | None
    default: str | None
    words: tuple[str, ...]
    facet: str | None
    body: Mapping[str, Any]

    @property
    def width(self) -> int:
        """Bytes that it adds to a row."""
        return get_column_width(self.type, self.maximum_size, self.maximum_length)

    @property
    def limit(self) -> int:
        """Characters that a cell of text may have."""
        return self.maximum_size or MAX_CELL_SIZES.get(self.type, 0)


def get_column_width(
    kind: ColumnType, maximum_size: int | None, maximum_length: int | None
) -> int:
    """Tell how many bytes a column adds to a row."""
    item = _WIDTHS[ITEM_TYPES.get(kind, kind)]
    size = maximum_size or 1 if kind in SIZED_TYPES else 1
    length = maximum_length or 1 if kind in LIST_TYPES else 1
    return item * size * length


def parse_column(number: int, body: Mapping[str, Any]) -> Column:
    """Make a column of a ColumnModel that was validated."""
    return Column(
        id=number,
        name=body["name"],
        type=ColumnType(body["columnType"]),
        maximum_size=body.get("maximumSize"),
        maximum_length=body.get("maximumListLength"),
        default=body.get("defaultValue"),
        words=tuple(body.get("enumValues") or ()),
        facet=body.get("facetType"),
        body={**body, "id": str(number)},
    )
