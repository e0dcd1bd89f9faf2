"""Queries of tables and views by SQL, with results as a CSV file or page by page."""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, overload

from synapse_workflows.client.api import async_jobs, query_events
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.argument_types import ResultFormat
from synapse_workflows.client.model.columns import SelectColumn
from synapse_workflows.client.model.csv_dialect import CsvDialect
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.ids import VersionedId, split_version
from synapse_workflows.client.model.query_result import TableQueryResult
from synapse_workflows.client.transfer import download
from synapse_workflows.constants import MODEL, ROW_ID

#: Matches the table in FROM. Quoted text is matched first, because a quoted column name can
#: contain FROM and an ID, for example "from syn1".
_FROM: Final = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\bfrom\s+(syn\d+(?:\.\d+)?)\b""", re.IGNORECASE | re.ASCII
)
_PAGING_OPTIONS: Final = ("limit", "offset")
_BUNDLE: Final = f"{MODEL}.table.QueryBundleRequest"
_DOWNLOAD: Final = f"{MODEL}.table.DownloadFromTableRequest"


@dataclass(frozen=True)
class CsvQuery:
    """A query whose result is a CSV file.

    Args:
        sql: The query.
        dialect: Dialect of the file.
        header: Whether the first line contains the column names.
        row_ids: Whether rows start with ROW_ID and ROW_VERSION.
        suffix: Suffix of the name of the downloaded file.
    """

    sql: str
    dialect: CsvDialect
    header: bool = True
    row_ids: bool = True
    suffix: str = ".csv"

    @property
    def table(self) -> VersionedId:
        """The table in the query.

        Raises:
            ValueError: The query does not contain the ID of a table.
        """
        return parse_table_id(self.sql)

    @property
    def path(self) -> str:
        """Path of the type of the query job."""
        return f"/entity/{self.table.id}/table/download/csv/async"

    def to_request(self) -> dict[str, Any]:
        """Return the DownloadFromTableRequest of the query job."""
        return {
            "concreteType": _DOWNLOAD,
            "sql": self.sql,
            "writeHeader": self.header,
            "includeRowIdAndRowVersion": self.row_ids,
            "includeEntityEtag": True,
            "csvTableDescriptor": self.dialect.to_descriptor(header=self.header),
        }


@dataclass(frozen=True)
class QueryJob:
    """A started job of a query.

    Args:
        token: Token of the job.
        open_version: Number of the table's current version before the job was started; None if
            it is not known, or the query reads a snapshot.
    """

    token: str
    open_version: int | None = None


@overload
def tableQuery(
    syn: Session,
    query: str,
    resultsAs: Literal["csv"] = "csv",
    *,
    quoteCharacter: str = ...,
    escapeCharacter: str = ...,
    lineEnd: str = ...,
    separator: str = ...,
    header: bool = ...,
    includeRowIdAndRowVersion: bool = ...,
    downloadLocation: str | None = ...,
) -> CsvFileTable: ...


@overload
def tableQuery(
    syn: Session,
    query: str,
    resultsAs: Literal["rowset"],
    *,
    limit: int | None = ...,
    offset: int | None = ...,
    isConsistent: bool = ...,
) -> TableQueryResult: ...


def tableQuery(
    syn: Session, query: str, resultsAs: str = "csv", **kwargs: Any
) -> CsvFileTable | TableQueryResult:
    """Query a table, a view, or a snapshot of one by SQL.

    Args:
        syn: The session that sends the requests.
        query: SQL, for example ``select name from syn123 where age > 5``; ``from syn123.4``
            queries version 4.
        resultsAs: ``csv`` to download a file and read its rows from disk; ``rowset`` to fetch
            each page of the result when its first row is read.
        **kwargs: For ``csv``: ``quoteCharacter``, ``escapeCharacter``, ``lineEnd``,
            ``separator``, ``header`` (whether the first line contains the column names; default
            True), ``includeRowIdAndRowVersion`` (default True), ``downloadLocation`` (a
            directory; default: the cache). For ``rowset``: ``limit`` and ``offset``, applied in
            addition to those in the SQL, and ``isConsistent``, which Synapse ignores.

    Returns:
        A `CsvFileTable` for ``csv``, a `TableQueryResult` for ``rowset``.

    Raises:
        ValueError: `resultsAs` is unknown, or the SQL does not contain the ID of a table.
        TypeError: An argument is not supported with this `resultsAs`.
        SynapseBadRequestError: Synapse rejected the SQL.
        SynapseNotFoundError: The table does not exist.
        SynapseForbiddenError: The caller may not read or download the table.
        SynapseTimeoutError: The query made no progress for ``syn.table_query_timeout`` seconds.

    Source:
        POST /entity/{id}/table/query/async/start,
        POST /entity/{id}/table/download/csv/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/query/async/start.html
    """
    result_format = str(resultsAs).lower()
    if result_format not in get_args(ResultFormat):
        raise ValueError(
            f"Unknown return type requested from tableQuery: {resultsAs}. "
            f"Expected one of {', '.join(get_args(ResultFormat))}."
        )
    table = parse_table_id(query)
    open_version = query_events.get_open_version(syn, table)
    result: CsvFileTable | TableQueryResult
    if result_format == "csv":
        _reject_paging(kwargs)
        _check_options(kwargs, _query_csv.__kwdefaults__, result_format)
        result = _query_csv(syn, query, **kwargs)
    else:
        _check_options(kwargs, _query_rowset.__kwdefaults__, result_format)
        result = _query_rowset(syn, table, query, **kwargs)
    query_events.announce_read(syn, table, result, open_version)
    return result


def start_csv_query(syn: Session, query: CsvQuery) -> QueryJob:
    """Start the job of a query and return it, for `fetch_csv_query` in any process.

    Raises:
        SynapseHTTPError: Synapse rejected the query.

    Source:
        POST /entity/{id}/table/download/csv/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/download/csv/async/start.html
    """
    open_version = query_events.get_open_version(syn, query.table)
    token = async_jobs.start(syn, query.path, query.to_request(), repeatable=True)
    return QueryJob(token, open_version)


def fetch_csv_query(
    syn: Session, query: CsvQuery, job: QueryJob | None, location: str | None
) -> CsvFileTable:
    """Wait for the job of a query and download its result.

    Args:
        syn: The session that sends the requests.
        query: The query.
        job: Result of `start_csv_query`; None to start the job.
        location: Directory for the file; None for the cache.

    Raises:
        SynapseHTTPError: Synapse rejected the query, or the query failed.
        SynapseJobError: The query failed.
        SynapseTimeoutError: The query made no progress for ``syn.table_query_timeout`` seconds.

    Source:
        GET /entity/{id}/table/download/csv/async/get/{asyncToken}
        https://rest-docs.synapse.org/rest/GET/entity/id/table/download/csv/async/get/asyncToken.html
    """
    if job is None:
        open_version = query_events.get_open_version(syn, query.table)
        response = async_jobs.run(syn, query.path, query.to_request(), repeatable=True)
    else:
        open_version = job.open_version
        response = async_jobs.wait(syn, query.path, job.token)
    result = _download_result(syn, query, response, location)
    query_events.announce_read(syn, query.table, result, open_version)
    return result


def parse_table_id(query: str) -> VersionedId:
    """Parse the ID and the version of the table that a SQL query reads.

    Raises:
        ValueError: The SQL does not contain the ID of a table.
        TypeError: `query` is not text.
    """
    if not isinstance(query, str):
        raise TypeError(
            f"Invalid query {query!r:.100}: expected SQL with the ID of a table after 'from'."
        )
    found = next((match[1] for match in _FROM.finditer(query) if match[1]), None)
    if found is None:
        raise ValueError(
            "Couldn't extract synapse ID from query: expected the ID of a table after 'from', "
            f"for example syn123, or syn123.4 for version 4. The query: {query[:200]!r}"
        )
    return split_version(found)


def _reject_paging(options: Mapping[str, Any]) -> None:
    given = [name for name in _PAGING_OPTIONS if name in options]
    if given:
        raise TypeError(
            f"tableQuery takes no {' and '.join(given)} for a CSV file: use limit and offset "
            "with resultsAs='rowset', or in the SQL: ... LIMIT 10 OFFSET 20."
        )


def _check_options(
    options: Mapping[str, Any], supported: Collection[str] | None, result_format: str
) -> None:
    """Raise a TypeError for options that a result format does not have."""
    names = supported or ()
    unknown = [name for name in options if name not in names]
    if unknown:
        raise TypeError(
            f"tableQuery takes no {' and '.join(unknown)} with resultsAs={result_format!r}: "
            f"expected one of {', '.join(names)}."
        )


def _query_rowset(
    syn: Session,
    table: VersionedId,
    query: str,
    *,
    limit: int | None = None,
    offset: int | None = None,
    isConsistent: bool = True,
) -> TableQueryResult:
    """Run a query and return its first page; further pages are fetched when they are needed.

    Source:
        POST /entity/{id}/table/query/async/start,
        POST /entity/{id}/table/query/nextPage/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/query/nextPage/async/start.html
    """
    if not isConsistent:
        syn.logger.warning("isConsistent=False has no effect: Synapse ignores it.")
    options = {"sql": query, "includeEntityEtag": True, "limit": limit, "offset": offset}
    body = {
        "concreteType": _BUNDLE,
        "query": {key: value for key, value in options.items() if value is not None},
    }
    path = f"/entity/{table.id}/table/query"

    def fetch_next_page(token: Mapping[str, Any]) -> Mapping[str, Any]:
        page: Mapping[str, Any] = async_jobs.run(
            syn, f"{path}/nextPage/async", dict(token), repeatable=True
        )
        return page

    bundle = async_jobs.run(syn, f"{path}/async", body, repeatable=True)
    return TableQueryResult(table.id, bundle, fetch_next_page, query, limit, offset)


def _query_csv(
    syn: Session,
    query: str,
    *,
    quoteCharacter: str = '"',
    escapeCharacter: str = "\\",
    lineEnd: str = os.linesep,
    separator: str = ",",
    header: bool = True,
    includeRowIdAndRowVersion: bool = True,
    downloadLocation: str | None = None,
) -> CsvFileTable:
    """Run a query with a CSV file as result, and download the file unless it is cached.

    Source:
        POST /entity/{id}/table/download/csv/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/download/csv/async/start.html
    """
    dialect = CsvDialect(separator, quoteCharacter, escapeCharacter, lineEnd)
    csv_query = CsvQuery(query, dialect, header=header, row_ids=includeRowIdAndRowVersion)
    response = async_jobs.run(syn, csv_query.path, csv_query.to_request(), repeatable=True)
    return _download_result(syn, csv_query, response, downloadLocation)


def _download_result(
    syn: Session, query: CsvQuery, response: Mapping[str, Any], location: str | None
) -> CsvFileTable:
    """Download the file of a DownloadFromTableResult, unless the file is cached."""
    directory = None if location is None else download.parse_directory(location)
    handle = str(response["resultsFileHandleId"])
    file = download.download_file(
        syn,
        file_handle={"id": handle, "fileName": f"SYNAPSE_TABLE_QUERY_{handle}{query.suffix}"},
        associate_type="TableEntity",
        associate_id=query.table.id,
        directory=directory,
        if_collision=None if directory is None else download.OVERWRITE_LOCAL,
    )
    result = CsvFileTable(
        query.table.id,
        str(file),
        response.get("etag"),
        query.dialect.quote,
        query.dialect.escape,
        query.dialect.line_end,
        query.dialect.separator,
        query.header,
        headers=[SelectColumn(**one) for one in response.get("headers") or ()],
    )
    # Aggregate results have no row IDs, even if row IDs were requested. Therefore, the columns of
    # the file determine whether there are row IDs.
    result.setColumnHeaders(result.columns())
    names = [one.get("name") for one in result.headers or ()]
    result.includeRowIdAndRowVersion = ROW_ID in names
    return result
