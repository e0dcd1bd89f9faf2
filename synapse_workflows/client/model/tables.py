"""Tables of rows: the abstract base class, and tables with rows in memory."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from synapse_workflows.client.model import cell_codec
from synapse_workflows.client.model.columns import Column, SelectColumn
from synapse_workflows.client.model.ids import split_version
from synapse_workflows.client.model.rows import (
    Row,
    RowMetadata,
    RowSet,
    get_row_metadata,
    require_row_metadata,
)
from synapse_workflows.client.model.schemas import SchemaBase


class AbstractTable(ABC):
    """Base class of tables: rows, and the table that the rows belong to.

    Args:
        schema: The table: a `Schema`, or the ID of a stored table.
        headers: Columns of the rows.
        etag: Etag of the table when the rows were read.

    Raises:
        ValueError: `schema` is neither a `Schema` nor an ID.
    """

    def __init__(
        self, schema: Any, headers: list[SelectColumn] | None = None, etag: str | None = None
    ) -> None:
        self.schema: SchemaBase | None = None
        self.tableId: str | None = None
        if isinstance(schema, SchemaBase):
            self.bind_schema(schema)
        elif schema is not None:
            self.tableId = split_version(schema).id
        else:
            raise ValueError("Must provide a schema or a synapse ID of a Table Entity")
        #: Columns of the table as read from Synapse; None if they were not read.
        self.table_columns: list[Column] | None = None
        self.headers: list[SelectColumn] | None = headers
        self.etag = etag

    #: Path of the file with the rows; None for rows in memory or in a temporary file.
    permanent_path: str | None = None

    def bind_schema(self, schema: SchemaBase) -> None:
        """Set the table that the rows belong to."""
        self.schema = schema
        self.tableId = schema.get("id")

    def known_columns(self) -> list[Column] | None:
        """Return the columns of the table in order; None if they are unknown."""
        if self.table_columns is not None:
            return self.table_columns
        if self.schema is None or not self.schema.has_columns():
            return None
        return self.schema.columns()

    @property
    def column_types(self) -> tuple[tuple[str, str], ...]:
        """Name and type of each column of the table in the header, without expressions."""
        columns = [one for one in self.headers or () if one.get("id")]
        return tuple((one["name"], one["columnType"]) for one in columns)

    @property
    @abstractmethod
    def has_row_etags(self) -> bool:
        """Whether each row has an etag, as in views."""

    @abstractmethod
    def iter_row_metadata(self) -> Iterator[RowMetadata]:
        """Iterate over the metadata of the rows.

        Raises:
            ValueError: The rows have no row IDs, because they are new rows or aggregates.
        """

    def row_etags(self) -> dict[int, str]:
        """Return the etags of the rows of a view by row ID; an empty dictionary for tables."""
        if not self.has_row_etags:
            return {}
        metadata = self.iter_row_metadata()
        return {row.row_id: row.row_etag for row in metadata if row.row_etag is not None}

    def serialize(self) -> dict[str, Any]:
        """Return the JSON that Airflow stores in an XCom, without the rows.

        Returns:
            `id` and `etag` of the table, the `columns` (names), and the `path` of a CSV file on
            this worker; None for rows in memory or in a temporary file.

        Raises:
            TypeError: The rows are not stored in Synapse or in a file, and would be lost.
        """
        path = self.permanent_path
        if path is None and self.etag is None and next(iter(self), None) is not None:
            raise TypeError(
                f"A task cannot return a {type(self).__name__} whose rows are not stored. Return "
                "syn.store(table), or the rows themselves: "
                "table.asDataFrame(False).to_dict('records')"
            )
        columns = [column.get("name") for column in self.headers or self.known_columns() or ()]
        return {"id": self.tableId, "etag": self.etag, "columns": columns, "path": path}

    @staticmethod
    def deserialize(data: dict[str, Any], version: int) -> dict[str, Any]:  # noqa: ARG004
        """Return the result of `serialize` unchanged."""
        return data

    def asInteger(self) -> int:
        """Return the first cell as an integer, for example of ``select count(*)``.

        Deprecated: read the first row, ``next(iter(table))``.

        Raises:
            ValueError: There are no rows, or the cell is not an integer.
        """
        warnings.warn(
            "asInteger is deprecated: read the first row with next(iter(table))",
            DeprecationWarning,
            stacklevel=2,
        )
        row = next(iter(self), None)
        if row is None:
            raise ValueError("Cannot read an integer: the table has no rows.")
        return int((row["values"] if isinstance(row, Mapping) else row)[0])

    @abstractmethod
    def asRowSet(self) -> RowSet:
        """Read all rows into memory."""

    @abstractmethod
    def asDataFrame(
        self, rowIdAndVersionInIndex: bool = True, convert_to_datetime: bool = False
    ) -> Any:
        """Read all rows into a pandas DataFrame.

        Integers and booleans have nullable pandas types, so that nulls do not make them floats.
        Cells of list and JSON columns are lists and dictionaries.

        Args:
            rowIdAndVersionInIndex: True to label rows ``rowid_version``, or
                ``rowid_version_etag`` for views; False for columns ROW_ID, ROW_VERSION and
                ROW_ETAG. Rows without row IDs are numbered.
            convert_to_datetime: True to convert DATE columns to datetimes in UTC; False for
                milliseconds since 1970.

        Raises:
            ImportError: pandas is not installed.
        """

    @abstractmethod
    def __iter__(self) -> Iterator[Any]:
        """Iterate over the rows."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""


class RowSetTable(AbstractTable):
    """A table whose rows are a `RowSet`.

    Args:
        schema: The table, or its ID.
        rowset: The rows.
    """

    def __init__(self, schema: Any, rowset: Mapping[str, Any]) -> None:
        super().__init__(schema, list(rowset.get("headers") or ()), rowset.get("etag"))
        self.rowset = rowset

    @property
    def has_row_etags(self) -> bool:
        """Whether each row has an etag, as in views."""
        return any(row.get("etag") for row in self.rowset["rows"])

    def asRowSet(self) -> RowSet:
        """Return the rows."""
        return self.rowset if isinstance(self.rowset, RowSet) else RowSet(**self.rowset)

    def asDataFrame(
        self, rowIdAndVersionInIndex: bool = True, convert_to_datetime: bool = False
    ) -> Any:
        """Return the rows as a pandas DataFrame; see `AbstractTable`."""
        from synapse_workflows.client.model import dataframes

        rows = (
            (get_row_metadata(row), values) for row, values in zip(self._rows(), self, strict=True)
        )
        return dataframes.create_dataframe(
            self.headers or [], rows, in_index=rowIdAndVersionInIndex, dates=convert_to_datetime
        )

    def __iter__(self) -> Iterator[list[Any]]:
        """Iterate over the rows as lists of values."""
        readers = [cell_codec.create_reader(column) for column in self.headers or ()]
        for row in self._rows():
            yield [
                _read_value(value, read)
                for value, read in zip(row["values"], readers, strict=True)
            ]

    def __len__(self) -> int:
        return len(self.rowset["rows"])

    def iter_row_metadata(self) -> Iterator[RowMetadata]:
        """Iterate over the metadata of the rows."""
        return (require_row_metadata(get_row_metadata(row)) for row in self._rows())

    def _rows(self) -> Iterator[Mapping[str, Any]]:
        for row in self.rowset["rows"]:
            yield row if isinstance(row, Mapping) else Row(row)


def _read_value(value: Any, read: Callable[[str | None], Any]) -> Any:
    return read(value) if isinstance(value, str) else value
