"""What a query answers page by page: rows that are fetched when they are reached."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.rows import (
    Row,
    RowMetadata,
    RowSet,
    get_row_metadata,
    require_row_metadata,
)
from synapse_workflows.client.model.tables import AbstractTable

#: Asks for the page that a token names, and returns a QueryResult.
FetchPage = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class TableQueryResult(AbstractTable):
    """The rows that a query answered, one page at a time, to be gone through once.

    ``headers``, ``etag``, ``tableId``, ``count`` (rows of all pages), ``columnModels``,
    ``maxRowsPerPage``, ``lastUpdatedOn`` and ``sumFileSizes`` are what Synapse said of it;
    ``rowset`` is the current page. It cannot be stored.

    Args:
        table_id: The table that was asked.
        bundle: A QueryResultBundle.
        fetch_page: Asks for the next page.
        query: The SQL.
        limit: Rows at most, as it was asked for.
        offset: Rows to leave out first, likewise.
    """

    def __init__(
        self,
        table_id: str,
        bundle: Mapping[str, Any],
        fetch_page: FetchPage,
        query: str,
        limit: int | None = None,
        offset: int | None = None,
    ) -> None:
        self.query, self.limit, self.offset = query, limit, offset
        self._fetch_page = fetch_page
        self._position = self._taken = 0
        self._etags: dict[int, str] = {}
        self._take(bundle.get("queryResult") or {})
        super().__init__(table_id, self.rowset["headers"], self.rowset.get("etag"))
        self.columnModels = [Column(**one) for one in bundle.get("columnModels") or ()]
        self.count: int | None = bundle.get("queryCount")
        self.maxRowsPerPage: int | None = bundle.get("maxRowsPerPage")
        self.sumFileSizes = bundle.get("sumFileSizes")
        self.lastUpdatedOn = bundle.get("lastUpdatedOn")

    @property
    def has_row_etags(self) -> bool:
        """Whether the rows carry etags of their own."""
        return bool(self._etags)

    @property
    def is_partly_read(self) -> bool:
        """Whether rows were taken out already, so that only the others are left."""
        return self._taken > 0

    def row_etags(self) -> dict[int, str]:
        """See `AbstractTable`; of all rows, those too that were taken out already."""
        if self._etags:
            for _ in self:  # to the last page
                pass
        return dict(self._etags)

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        """Give the next row, from the next page when this one is done."""
        while self._position >= len(self.rowset["rows"]):
            if self.nextPageToken is None:
                raise StopIteration
            self._take(self._fetch_page(self.nextPageToken))
        row: Row = self.rowset["rows"][self._position]
        self._position += 1
        self._taken += 1
        return row

    def next(self) -> Row:
        """Give the next row."""
        return next(self)

    def __len__(self) -> int:
        """Count the rows of the current page."""
        return len(self.rowset["rows"])

    def iter_row_metadata(self) -> Iterator[RowMetadata]:
        """See `AbstractTable`; this goes through the rows."""
        return (require_row_metadata(get_row_metadata(row)) for row in self)

    def asRowSet(self) -> RowSet:
        """Read the rows that are left into memory."""
        rows = list(self)
        return RowSet(self.headers, rows=rows, tableId=self.tableId, etag=self.etag)

    def asDataFrame(
        self, rowIdAndVersionInIndex: bool = True, convert_to_datetime: bool = False
    ) -> Any:
        """See `AbstractTable`; this goes through the rows."""
        from synapse_workflows.client.model import dataframes

        rows = ((get_row_metadata(row), row["values"]) for row in self)
        return dataframes.create_dataframe(
            self.headers or [], rows, in_index=rowIdAndVersionInIndex, dates=convert_to_datetime
        )

    def _take(self, page: Mapping[str, Any]) -> None:
        self.rowset = RowSet.from_json(page.get("queryResults") or {})
        self.nextPageToken = page.get("nextPageToken")
        self._position = 0
        etags = {row["rowId"]: row["etag"] for row in self.rowset["rows"] if row.get("etag")}
        self._etags.update(etags)
