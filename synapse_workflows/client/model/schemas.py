"""Entities with columns: what a table is, apart from its rows."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from synapse_workflows import constants
from synapse_workflows.client.model.columns import Column, SelectColumn
from synapse_workflows.client.model.entity_base import BASE_ENTITY_TYPE, Entity, EntityType
from synapse_workflows.client.model.ids import id_of
from synapse_workflows.constants import MAX_COLUMNS

_VERSION_KEYS = (
    "versionNumber", "versionLabel", "versionComment", "versionUrl", "versions", "isLatestVersion",
)  # fmt: skip


class SchemaBase(Entity):
    """What tables and views share: an ordered list of columns.

    ``columnIds`` lists the columns that are in Synapse, ``columns_to_store`` holds those that
    will be when the entity is stored, and come after them.
    """

    #: What to do about too many columns.
    _fewer: ClassVar[str] = "Take some away, or put their values into a list or JSON column."

    columns_to_store: list[Column] | None
    known_columns: dict[str, Column] | None

    _entity_type: ClassVar[EntityType] = BASE_ENTITY_TYPE.derive(
        f"{constants.MODEL}.table.Table",
        *_VERSION_KEYS,
        "columnIds",
        "isSearchEnabled",
        local_keys=frozenset({"columns_to_store", "known_columns"}),
        requires_parent=True,
    )

    def __init__(
        self,
        name: str | None = None,
        columns: Iterable[Any] | None = None,
        parent: Any = None,
        properties: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if name:
            kwargs["name"] = name
        state = {"columns_to_store": [], "known_columns": {}, **(local_state or {})}
        super().__init__(properties, annotations, state, parent, **kwargs)
        self.properties["columnIds"] = [str(one) for one in self.properties.get("columnIds") or ()]
        self.addColumns(columns or ())

    def addColumn(self, column: Any) -> None:
        """Add a column at the end.

        Args:
            column: A `Column`, or the id of one that is in Synapse.
        """
        if isinstance(column, Mapping) and not column.get("id"):
            made = column if isinstance(column, Column) else Column(**column)
            self.columns_to_store = [*(self.columns_to_store or ()), made]
            return
        self.properties["columnIds"] = [*self.properties["columnIds"], id_of(column)]
        self.add_known_columns([column])

    def addColumns(self, columns: Iterable[Any]) -> None:
        """Add columns at the end, in this order; see `addColumn`."""
        for column in [columns] if isinstance(columns, str | Mapping) else columns:
            self.addColumn(column)

    def removeColumn(self, column: Any) -> None:
        """Take a column away; when the entity is stored, its data are lost.

        Args:
            column: A `Column`, or the id of one.

        Raises:
            ValueError: It is not there.
        """
        unsaved = isinstance(column, Mapping) and not column.get("id")
        held = list((self.columns_to_store or ()) if unsaved else self.properties["columnIds"])
        wanted = column if unsaved else id_of(column)
        if wanted not in held:
            raise ValueError(f"There is no column {wanted!r:.120} to remove")
        held.remove(wanted)
        if unsaved:
            self.columns_to_store = held
        else:
            self.properties["columnIds"] = held

    def has_columns(self) -> bool:
        """Tell whether there is any column."""
        return bool(self.properties.get("columnIds") or self.columns_to_store)

    def add_known_columns(self, columns: Iterable[Any]) -> None:
        """Note what columns of Synapse are, so that rows can be checked against them."""
        listed = [Column(**c) for c in columns if isinstance(c, Mapping) and c.get("name")]
        known = {str(column["id"]): column for column in listed}
        self.known_columns = {**(self.known_columns or {}), **known}

    def columns(self) -> list[Column] | None:
        """List all columns in their order; None when it is not known here what some are."""
        known = self.known_columns or {}
        ids = self.properties.get("columnIds") or []
        if any(one not in known for one in ids):
            return None
        return [*(known[one] for one in ids), *(self.columns_to_store or ())]

    def headers(self) -> list[SelectColumn]:
        """Make the header of rows of this table, with as much as is known here."""
        known = self.known_columns or {}
        ids = self.properties.get("columnIds") or []
        stored = [SelectColumn.from_column(known.get(one, {"id": one})) for one in ids]
        return [*stored, *(SelectColumn.from_column(one) for one in self.columns_to_store or ())]

    def validate_column_count(self) -> None:
        """Check the number of columns.

        Raises:
            ValueError: There are more than a table can have.
        """
        count = len(self.properties["columnIds"]) + len(self.columns_to_store or ())
        if count > MAX_COLUMNS:
            raise ValueError(
                f"Too many columns: {count}. A table can have at most {MAX_COLUMNS} columns. "
                f"{self._fewer}"
            )

    def deleteURI(self, versionNumber: int | None = None) -> str:
        """Say where to delete it, or one of its snapshots."""
        at = "" if versionNumber is None else f"/version/{versionNumber}"
        return f"/entity/{self.id}{at}"


class Schema(SchemaBase):
    """A table: its name, its place and its columns.

    Args:
        name: Unique in its parent.
        columns: `Column` objects, new ones or such as are in Synapse, or ids of columns.
        parent: A project or folder, or its id.
        properties: See `Entity`, as the rest.
        annotations: Values by key.
        local_state: What is only known here.
        **kwargs: Further keys.
    """

    _entity_type: ClassVar[EntityType] = SchemaBase._entity_type.derive(constants.TABLE)  # noqa: SLF001 - our own class


class Dataset(SchemaBase):
    """A dataset: versions of files, each of them chosen, shown in columns as a view shows them.

    Its ``items`` are mappings with ``entityId`` and ``versionNumber``. It has the columns that it
    is given: none are added by themselves. The arguments are those of `Schema`.
    """

    _entity_type: ClassVar[EntityType] = SchemaBase._entity_type.derive(  # noqa: SLF001 - our own class
        constants.DATASET, "items", "checksum", "count", "size"
    )
