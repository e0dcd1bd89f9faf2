"""Query results that are fetched page by page."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from synapse_workflows.client.errors import SynapseResponseError
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.rows import (
    Row,
    RowMetadata,
    RowSet,
    get_row_metadata,
    require_row_metadata,
)
from synapse_workflows.client.model.tables import AbstractTable

#: Fetches the QueryResult of a page token.
FetchPage = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class TableQueryResult(AbstractTable):
    """Iterator over the rows of a query result, which fetches one page at a time.

    ``headers``, ``etag``, ``tableId``, ``count`` (rows of all pages), ``columnModels``,
    ``maxRowsPerPage``, ``lastUpdatedOn`` and ``sumFileSizes`` are the values returned by Synapse;
    ``rowset`` is the current page. The rows can be read once. The result cannot be stored.

    Args:
        table_id: ID of the queried table.
        bundle: A QueryResultBundle.
        fetch_page: Function that fetches the next page.
        query: The SQL query.
        limit: Requested maximum number of rows.
        offset: Requested number of rows to skip.
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
        self._position = self._rows_read = 0
        self._etags: dict[int, str] = {}
        self._fetched: set[str] = set()
        self._set_page(bundle.get("queryResult") or {})
        super().__init__(table_id, self.rowset["headers"], self.rowset.get("etag"))
        self.columnModels = [Column(**one) for one in bundle.get("columnModels") or ()]
        self.count: int | None = bundle.get("queryCount")
        self.maxRowsPerPage: int | None = bundle.get("maxRowsPerPage")
        self.sumFileSizes = bundle.get("sumFileSizes")
        self.lastUpdatedOn = bundle.get("lastUpdatedOn")

    @property
    def has_row_etags(self) -> bool:
        """Whether each row has an etag, as in views."""
        return bool(self._etags)

    @property
    def is_partly_read(self) -> bool:
        """Whether rows were read already; iteration returns the remaining rows only."""
        return self._rows_read > 0

    def row_etags(self) -> dict[int, str]:
        """Return the etags of all rows, including rows that were read already."""
        if self._etags:
            for _ in self:  # read all pages
                pass
        return dict(self._etags)

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        """Return the next row, fetching the next page if necessary."""
        while self._position >= len(self.rowset["rows"]):
            if self.nextPageToken is None:
                raise StopIteration
            self._require_new(self.nextPageToken)
            self._set_page(self._fetch_page(self.nextPageToken))
        row: Row = self.rowset["rows"][self._position]
        self._position += 1
        self._rows_read += 1
        return row

    def next(self) -> Row:
        """Return the next row."""
        return next(self)

    def __len__(self) -> int:
        """Return the number of rows of the current page."""
        return len(self.rowset["rows"])

    def iter_row_metadata(self) -> Iterator[RowMetadata]:
        """Implement `AbstractTable`; this reads the remaining rows."""
        return (require_row_metadata(get_row_metadata(row)) for row in self)

    def asRowSet(self) -> RowSet:
        """Read the remaining rows into memory."""
        rows = list(self)
        return RowSet(self.headers, rows=rows, tableId=self.tableId, etag=self.etag)

    def asDataFrame(
        self, rowIdAndVersionInIndex: bool = True, convert_to_datetime: bool = False
    ) -> Any:
        """Implement `AbstractTable`; this reads the remaining rows."""
        from synapse_workflows.client.model import dataframes

        rows = ((get_row_metadata(row), row["values"]) for row in self)
        return dataframes.create_dataframe(
            self.headers or [], rows, in_index=rowIdAndVersionInIndex, dates=convert_to_datetime
        )

    def _require_new(self, token: Any) -> None:
        """Check that a page is not fetched twice, which would never end."""
        key = repr(token)
        if key in self._fetched:
            raise SynapseResponseError(
                f"The result of the query does not end: Synapse returned the page token {key:.80} "
                "twice. The rows are incomplete."
            )
        self._fetched.add(key)

    def _set_page(self, page: Mapping[str, Any]) -> None:
        self.rowset = RowSet.from_json(page.get("queryResults") or {})
        self.nextPageToken = page.get("nextPageToken")
        self._position = 0
        etags = {row["rowId"]: row["etag"] for row in self.rowset["rows"] if row.get("etag")}
        self._etags.update(etags)
