"""Tables of rows: what all of them offer, and those whose rows are in memory."""

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
    """Rows of a table, wherever they are.

    Args:
        schema: The table: a `Schema`, or the id of one that is in Synapse.
        headers: The columns of the rows.
        etag: The state of the table in which the rows were read.

    Raises:
        ValueError: `schema` is neither.
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
        self.headers: list[SelectColumn] | None = headers
        self.etag = etag

    def bind_schema(self, schema: SchemaBase) -> None:
        """Be the rows of a table; of this one, after it was stored."""
        self.schema = schema
        self.tableId = schema.get("id")

    def known_columns(self) -> list[Column] | None:
        """List the columns of the table in their order; None when they are not known here."""
        if self.schema is None or not self.schema.has_columns():
            return None
        return self.schema.columns()

    @property
    @abstractmethod
    def has_row_etags(self) -> bool:
        """Whether the rows carry etags of their own, as those of views do."""

    @abstractmethod
    def iter_row_metadata(self) -> Iterator[RowMetadata]:
        """Go through the rows, telling which each one is.

        Raises:
            ValueError: The rows are not rows of the table: aggregates, or new ones.
        """

    def row_etags(self) -> dict[int, str]:
        """Find the etags of the rows of a view, by row id; nothing for other tables."""
        if not self.has_row_etags:
            return {}
        found = self.iter_row_metadata()
        return {row.row_id: row.row_etag for row in found if row.row_etag is not None}

    @abstractmethod
    def asRowSet(self) -> RowSet:
        """Read all rows into memory."""

    @abstractmethod
    def asDataFrame(
        self, rowIdAndVersionInIndex: bool = True, convert_to_datetime: bool = False
    ) -> Any:
        """Read all rows into a DataFrame of pandas.

        Integers and booleans are of pandas' nullable types, so that null does not make floats of
        them. List and JSON columns hold lists and dictionaries.

        Args:
            rowIdAndVersionInIndex: Label each row ``rowid_version``, or ``rowid_version_etag``;
                else ROW_ID, ROW_VERSION and ROW_ETAG are columns. Rows that are not rows of the
                table are numbered.
            convert_to_datetime: Make DATE columns of moments in UTC; else they hold
                milliseconds since 1970.

        Raises:
            ImportError: pandas is not installed.
        """

    @abstractmethod
    def __iter__(self) -> Iterator[Any]:
        """Go through the rows."""

    @abstractmethod
    def __len__(self) -> int:
        """Count the rows."""


class RowSetTable(AbstractTable):
    """A table whose rows are a `RowSet`.

    Args:
        schema: The table, or its id.
        rowset: The rows.
    """

    def __init__(self, schema: Any, rowset: Mapping[str, Any]) -> None:
        super().__init__(schema, list(rowset.get("headers") or ()), rowset.get("etag"))
        self.rowset = rowset

    @property
    def has_row_etags(self) -> bool:
        """Whether the rows carry etags of their own."""
        return any(row.get("etag") for row in self.rowset["rows"])

    def asRowSet(self) -> RowSet:
        """Give the rows."""
        return self.rowset if isinstance(self.rowset, RowSet) else RowSet(**self.rowset)

    def asDataFrame(
        self, rowIdAndVersionInIndex: bool = True, convert_to_datetime: bool = False
    ) -> Any:
        """See `AbstractTable`."""
        from synapse_workflows.client.model import dataframes

        rows = (
            (get_row_metadata(row), values) for row, values in zip(self._rows(), self, strict=True)
        )
        return dataframes.create_dataframe(
            self.headers or [], rows, in_index=rowIdAndVersionInIndex, dates=convert_to_datetime
        )

    def __iter__(self) -> Iterator[list[Any]]:
        """Go through the rows, each a list of values."""
        readers = [cell_codec.create_reader(column) for column in self.headers or ()]
        for row in self._rows():
            yield [
                _read_value(value, read)
                for value, read in zip(row["values"], readers, strict=True)
            ]

    def __len__(self) -> int:
        return len(self.rowset["rows"])

    def iter_row_metadata(self) -> Iterator[RowMetadata]:
        """See `AbstractTable`."""
        return (require_row_metadata(get_row_metadata(row)) for row in self._rows())

    def _rows(self) -> Iterator[Mapping[str, Any]]:
        for row in self.rowset["rows"]:
            yield row if isinstance(row, Mapping) else Row(row)


def _read_value(value: Any, read: Callable[[str | None], Any]) -> Any:
    return read(value) if isinstance(value, str) else value
