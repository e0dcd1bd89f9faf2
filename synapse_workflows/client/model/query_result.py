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
    """Query result whose rows are fetched one page at a time.

    ``headers``, ``etag``, ``tableId``, ``count`` (rows of all pages), ``columnModels``,
    ``maxRowsPerPage``, ``lastUpdatedOn`` and ``sumFileSizes`` are the values returned by Synapse;
    ``rowset`` is the page fetched last. Each iteration starts with the first row and fetches the
    pages again. However, if ``next(result)`` has read some rows, the iteration continues after
    these rows. The result cannot be stored.

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
        #: Iterator used by `next`; None before the first row and after the last row.
        self._cursor: Iterator[Row] | None = None
        self._etags: dict[int, str] = {}
        self._first_page = self._parse_page(bundle.get("queryResult") or {})
        super().__init__(table_id, self.rowset["headers"], self.rowset.get("etag"))
        self.columnModels = [Column(**one) for one in bundle.get("columnModels") or ()]
        self.count: int | None = bundle.get("queryCount")
        self.maxRowsPerPage: int | None = bundle.get("maxRowsPerPage")
        self.sumFileSizes = bundle.get("sumFileSizes")
        self.lastUpdatedOn = bundle.get("lastUpdatedOn")

    def serialize(self) -> dict[str, Any]:
        """Raise an error: Airflow cannot store the pages of a result in an XCom.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            f"A task cannot return the {type(self).__name__} of a query with resultsAs='rowset'. "
            "Return result.asRowSet() or result.asDataFrame(False).to_dict('records') for a few "
            "rows, the filepath of a query with resultsAs='csv', or use SynapseTableQueryOperator"
        )

    @property
    def has_row_etags(self) -> bool:
        """Whether each row has an etag, as in views."""
        return bool(self._etags)

    @property
    def is_partly_read(self) -> bool:
        """Whether ``next(result)`` has returned some but not all rows."""
        return self._cursor is not None

    def row_etags(self) -> dict[int, str]:
        """Return the etags of all rows."""
        if self._etags:
            for _ in self._iter_rows():  # read all pages
                pass
        return dict(self._etags)

    def __iter__(self) -> Iterator[Row]:
        return self if self.is_partly_read else self._iter_rows()

    def __next__(self) -> Row:
        """Return the next row; after the last row, start again with the first."""
        if self._cursor is None:
            self._cursor = self._iter_rows()
        try:
            return next(self._cursor)
        except StopIteration:
            self._cursor = None
            raise

    def next(self) -> Row:
        """Return the next row."""
        return next(self)

    def _iter_rows(self) -> Iterator[Row]:
        """Iterate over all rows."""
        rows, token = self._first_page
        fetched: set[str] = set()
        while True:
            yield from rows["rows"]
            if token is None:
                return
            _require_new(token, fetched)
            rows, token = self._parse_page(self._fetch_page(token))

    def __len__(self) -> int:
        """Return the number of rows of the page fetched last."""
        return len(self.rowset["rows"])

    def iter_row_metadata(self) -> Iterator[RowMetadata]:
        """Implement `AbstractTable`."""
        return (require_row_metadata(get_row_metadata(row)) for row in self._iter_rows())

    def asRowSet(self) -> RowSet:
        """Read all rows into memory."""
        rows = list(self._iter_rows())
        return RowSet(self.headers, rows=rows, tableId=self.tableId, etag=self.etag)

    def asDataFrame(
        self, rowIdAndVersionInIndex: bool = True, convert_to_datetime: bool = False
    ) -> Any:
        """Implement `AbstractTable`."""
        from synapse_workflows.client.model import dataframes

        rows = ((get_row_metadata(row), row["values"]) for row in self._iter_rows())
        return dataframes.create_dataframe(
            self.headers or [], rows, in_index=rowIdAndVersionInIndex, dates=convert_to_datetime
        )

    def _parse_page(self, page: Mapping[str, Any]) -> tuple[RowSet, Mapping[str, Any] | None]:
        """Return the rows of a page, and the token of the next page."""
        self.rowset = RowSet.from_json(page.get("queryResults") or {})
        self.nextPageToken = page.get("nextPageToken")
        etags = {row["rowId"]: row["etag"] for row in self.rowset["rows"] if row.get("etag")}
        self._etags.update(etags)
        return self.rowset, self.nextPageToken


def _require_new(token: Any, fetched: set[str]) -> None:
    """Check that no page is fetched twice, to prevent an endless loop."""
    key = repr(token)
    if key in fetched:
        raise SynapseResponseError(
            f"The result of the query does not end: Synapse returned the page token {key:.80} "
            "twice. The rows are incomplete."
        )
    fetched.add(key)
