"""Schemas of tables and materialized views: entities with columns."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from synapse_workflows import constants
from synapse_workflows.client.model.columns import Column, SelectColumn
from synapse_workflows.client.model.entity_base import BASE_ENTITY_TYPE, Entity, EntityType
from synapse_workflows.client.model.ids import id_of, parse_numeric_id
from synapse_workflows.constants import MAX_COLUMNS

_VERSION_KEYS = (
    "versionNumber", "versionLabel", "versionComment", "versionUrl", "versions", "isLatestVersion",
)  # fmt: skip


class SchemaBase(Entity):
    """Base class of tables, datasets and views: an entity with an ordered list of columns.

    ``columnIds`` contains the IDs of stored columns. ``columns_to_store`` contains new columns,
    which follow the stored columns and are created when the entity is stored.
    """

    #: Remedy in the error message about too many columns.
    _column_limit_hint: ClassVar[str] = (
        "Remove columns, or move their values into a list or JSON column."
    )

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
        if name is not None:
            kwargs["name"] = name
        state = {"columns_to_store": [], "known_columns": {}, **(local_state or {})}
        super().__init__(properties, annotations, state, parent, **kwargs)
        self.properties["columnIds"] = [str(one) for one in self.properties.get("columnIds") or ()]
        self.addColumns(columns or ())

    def addColumn(self, column: Any) -> None:
        """Append a column.

        Args:
            column: A `Column`, or the ID of a stored column.

        Raises:
            ValueError: `column` is neither a column nor an ID, for example the name of a column.
        """
        if isinstance(column, Mapping) and not column.get("id"):
            new_column = column if isinstance(column, Column) else Column(**column)
            self.columns_to_store = [*(self.columns_to_store or ()), new_column]
            return
        self.properties["columnIds"] = [
            *self.properties["columnIds"],
            parse_numeric_id(column, "column"),
        ]
        self.add_known_columns([column])

    def addColumns(self, columns: Iterable[Any]) -> None:
        """Append columns in this order; see `addColumn`."""
        for column in [columns] if isinstance(columns, str | Mapping) else columns:
            self.addColumn(column)

    def removeColumn(self, column: Any) -> None:
        """Remove a column; the data of the column are deleted when the entity is stored.

        Args:
            column: A `Column`, or the ID of a column.

        Raises:
            ValueError: The table has no such column.
        """
        is_new = isinstance(column, Mapping) and not column.get("id")
        columns = list((self.columns_to_store or ()) if is_new else self.properties["columnIds"])
        removed = column if is_new else id_of(column)
        if removed not in columns:
            raise ValueError(
                f"Cannot remove column {removed!r:.120}: no column of the table matches."
            )
        columns.remove(removed)
        if is_new:
            self.columns_to_store = columns
        else:
            self.properties["columnIds"] = columns

    def has_columns(self) -> bool:
        """Return whether there are any columns."""
        return bool(self.properties.get("columnIds") or self.columns_to_store)

    def add_known_columns(self, columns: Iterable[Any]) -> None:
        """Add stored columns to `known_columns`, which rows are validated against."""
        described = [
            Column(**one) for one in columns if isinstance(one, Mapping) and one.get("name")
        ]
        by_id = {str(column["id"]): column for column in described}
        self.known_columns = {**(self.known_columns or {}), **by_id}

    def columns(self) -> list[Column] | None:
        """Return all columns in order; None if only the IDs of some columns are known."""
        known = self.known_columns or {}
        ids = self.properties.get("columnIds") or []
        if any(one not in known for one in ids):
            return None
        return [*(known[one] for one in ids), *(self.columns_to_store or ())]

    def headers(self) -> list[SelectColumn]:
        """Return the header of the rows of this table, with the known fields of each column."""
        known = self.known_columns or {}
        ids = self.properties.get("columnIds") or []
        stored = [SelectColumn.from_column(known.get(one, {"id": one})) for one in ids]
        return [*stored, *(SelectColumn.from_column(one) for one in self.columns_to_store or ())]

    def validate_column_count(self) -> None:
        """Validate the number of columns.

        Raises:
            ValueError: There are more columns than a table can have.
        """
        count = len(self.properties["columnIds"]) + len(self.columns_to_store or ())
        if count > MAX_COLUMNS:
            raise ValueError(
                f"Too many columns: {count}. A table can have at most {MAX_COLUMNS} columns. "
                f"{self._column_limit_hint}"
            )

    def deleteURI(self, versionNumber: int | None = None) -> str:
        """Return the URI that deletes the table, or one of its versions."""
        version = "" if versionNumber is None else f"/version/{versionNumber}"
        return f"/entity/{self.id}{version}"


class Schema(SchemaBase):
    """A table: its name, parent and columns.

    Args:
        name: Name, unique within the parent.
        columns: New or stored `Column` objects, or IDs of stored columns.
        parent: A project or folder, or its ID.
        properties: Properties, as returned by Synapse.
        annotations: Values by key.
        local_state: Local state, see `Entity`.
        **kwargs: Further keys.
    """

    _entity_type: ClassVar[EntityType] = SchemaBase._entity_type.derive(constants.TABLE)  # noqa: SLF001 - our own class


class MaterializedView(SchemaBase):
    """A materialized view: its name, parent and the SQL that defines its rows and columns.

    Synapse builds the rows, and builds them again after a source changed. They are read only.

    Args:
        name: Name, unique within the parent.
        columns: Not supported: the columns follow from `definingSQL`.
        parent: A project or folder, or its ID.
        definingSQL: The query that defines the rows, for example ``select * from syn1 A join syn2
            B on (A.id = B.id)``. It can contain joins, unions, GROUP BY and HAVING.
        properties: Properties, as returned by Synapse.
        annotations: Values by key.
        local_state: Local state, see `Entity`.
        **kwargs: Further keys.

    Raises:
        ValueError: Columns are given.
    """

    _entity_type: ClassVar[EntityType] = SchemaBase._entity_type.derive(  # noqa: SLF001 - our own class
        constants.MATERIALIZED_VIEW, "definingSQL"
    )

    def __init__(
        self,
        name: str | None = None,
        columns: Iterable[Any] | None = None,
        parent: Any = None,
        definingSQL: str | None = None,
        properties: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if definingSQL is not None:
            kwargs["definingSQL"] = definingSQL
        super().__init__(name, columns, parent, properties, annotations, local_state, **kwargs)

    def addColumn(self, column: Any) -> None:
        """Raise an error: the columns follow from the definingSQL.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            f"Cannot add column {column!r:.120} to a materialized view: its columns follow from "
            "its definingSQL. Select the column there."
        )

    def removeColumn(self, column: Any) -> None:
        """Raise an error: the columns follow from the definingSQL.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            f"Cannot remove column {column!r:.120} from a materialized view: its columns follow "
            "from its definingSQL. Change the definingSQL."
        )


#: Name of `MaterializedView` in synapseclient.
MaterializedViewSchema = MaterializedView
