"""Queries: rows of tables by SQL, as a CSV file or page by page."""

import os
import re
from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.client.api import async_jobs
from synapse_workflows.client.core.events import Read
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.columns import SelectColumn
from synapse_workflows.client.model.csv_dialect import CsvDialect
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.ids import VersionedId, split_version
from synapse_workflows.client.model.query_result import TableQueryResult
from synapse_workflows.client.transfer import download
from synapse_workflows.constants import MODEL, ROW_ID

#: The table of a query. Quoted text is gone over first: a column may be called "from syn1".
_FROM: Final = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\bfrom\s+(syn\d+(?:\.\d+)?)\b""", re.IGNORECASE | re.ASCII
)
_RESULT_TYPES: Final = ("csv", "rowset")
_PAGING_OPTIONS: Final = ("limit", "offset")
_BUNDLE: Final = f"{MODEL}.table.QueryBundleRequest"
_DOWNLOAD: Final = f"{MODEL}.table.DownloadFromTableRequest"


def tableQuery(
    syn: Session, query: str, resultsAs: str = "csv", **kwargs: Any
) -> CsvFileTable | TableQueryResult:
    """Query a table, a view, or a snapshot of one.

    Args:
        syn: The session that makes the calls.
        query: SQL: ``select name from syn123 where age > 5``; ``from syn123.4`` for version 4.
        resultsAs: ``csv``: a file, read from the disk row by row, whatever its size; ``rowset``:
            page by page, fetched when they are reached.
        **kwargs: For ``csv``: ``quoteCharacter``, ``escapeCharacter``, ``lineEnd``,
            ``separator``, ``header`` (True: the first line names the columns),
            ``includeRowIdAndRowVersion`` (True), ``downloadLocation`` (a directory; else the
            cache). For ``rowset``: ``limit`` and ``offset``, on top of those in the SQL, and
            ``isConsistent``, which Synapse takes no notice of any more.

    Raises:
        ValueError: Another kind of result, or SQL that names no table.
        TypeError: An argument that this kind of result does not take.
        SynapseBadRequestError: Synapse does not understand the SQL, or knows no such column.
        SynapseNotFoundError: There is no such table.
        SynapseForbiddenError: The caller may not read or download it.
        SynapseTimeoutError: No answer within ``syn.table_query_timeout``.

    Source:
        POST /entity/{id}/table/query/async/start,
        POST /entity/{id}/table/download/csv/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/query/async/start.html
    """
    if str(resultsAs).lower() not in _RESULT_TYPES:
        raise ValueError(
            f"Unknown return type requested from tableQuery: {resultsAs}. "
            f"There are {' and '.join(_RESULT_TYPES)}."
        )
    table = parse_table_id(query)
    result: CsvFileTable | TableQueryResult
    if str(resultsAs).lower() == "csv":
        _reject_paging(kwargs)
        result = _query_csv(syn, table, query, **kwargs)
    else:
        result = _query_rowset(syn, table, query, **kwargs)
    _announce_read(syn, table)
    return result


def parse_table_id(query: str) -> VersionedId:
    """Find the table that SQL asks, and the version, if it names one.

    Raises:
        ValueError: It names none.
    """
    found = next((one[1] for one in _FROM.finditer(query) if one[1]), None)
    if found is None:
        raise ValueError(
            "Couldn't extract synapse ID from query: after 'from' it needs the id of a table, "
            f"such as syn123, or syn123.4 for version 4. The query: {query[:200]!r}"
        )
    return split_version(found)


def _reject_paging(options: Mapping[str, Any]) -> None:
    paged = [name for name in _PAGING_OPTIONS if name in options]
    if paged:
        raise TypeError(
            f"tableQuery takes no {' and '.join(paged)} for a CSV file: limit and offset are for "
            "resultsAs='rowset'. Say it in the SQL instead: ... LIMIT 10 OFFSET 20."
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
    """Ask for the first page.

    Source:
        POST /entity/{id}/table/query/async/start,
        POST /entity/{id}/table/query/nextPage/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/query/nextPage/async/start.html
    """
    if not isConsistent:
        syn.logger.warning("isConsistent=False is ignored: Synapse knows it no more.")
    asked = {"sql": query, "includeEntityEtag": True, "limit": limit, "offset": offset}
    body = {
        "concreteType": _BUNDLE,
        "query": {key: value for key, value in asked.items() if value is not None},
    }
    base = f"/entity/{table.id}/table/query"

    def turn(token: Mapping[str, Any]) -> Mapping[str, Any]:
        page: Mapping[str, Any] = async_jobs.run(
            syn, f"{base}/nextPage/async", dict(token), repeatable=True
        )
        return page

    bundle = async_jobs.run(syn, f"{base}/async", body, repeatable=True)
    return TableQueryResult(table.id, bundle, turn, query, limit, offset)


def _query_csv(
    syn: Session,
    table: VersionedId,
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
    """Have Synapse write a CSV file, and download it where it is not here already.

    Source:
        POST /entity/{id}/table/download/csv/async/start
        https://rest-docs.synapse.org/rest/POST/entity/id/table/download/csv/async/start.html
    """
    form = CsvDialect(separator, quoteCharacter, escapeCharacter, lineEnd)
    body = {
        "concreteType": _DOWNLOAD,
        "sql": query,
        "writeHeader": header,
        "includeRowIdAndRowVersion": includeRowIdAndRowVersion,
        "includeEntityEtag": True,
        "csvTableDescriptor": form.to_descriptor(header=header),
    }
    path = f"/entity/{table.id}/table/download/csv/async"
    answer = async_jobs.run(syn, path, body, repeatable=True)
    handle = str(answer["resultsFileHandleId"])
    file = download.download_file(
        syn,
        file_handle={"id": handle, "fileName": f"SYNAPSE_TABLE_QUERY_{handle}.csv"},
        associate_type="TableEntity",
        associate_id=table.id,
        directory=downloadLocation,
        if_collision=None if downloadLocation is None else download.OVERWRITE_LOCAL,
    )
    result = CsvFileTable(
        table.id,
        str(file),
        answer.get("etag"),
        quoteCharacter,
        escapeCharacter,
        lineEnd,
        separator,
        header,
        headers=[SelectColumn(**one) for one in answer.get("headers") or ()],
    )
    # Aggregates have no row ids, whatever was asked for: the file tells.
    result.setColumnHeaders(result.columns())
    names = [one.get("name") for one in result.headers or ()]
    result.includeRowIdAndRowVersion = ROW_ID in names
    return result


def _announce_read(syn: Session, table: VersionedId) -> None:
    """Announce which version of a table was read.

    What is read without a version is the current one; its number is asked for if anybody
    wants to know.

    Source:
        GET /entity/{id}
        https://rest-docs.synapse.org/rest/GET/entity/id.html
    """
    if not syn.is_heard:
        return
    if table.version is not None:
        syn.announce(Read(table.id, table.version, how="tableQuery"))
        return
    entity = syn.call("GET", f"/entity/{table.id}").json
    syn.announce(
        Read(
            table.id,
            entity.get("versionNumber"),
            entity.get("name"),
            entity.get("concreteType"),
            how="tableQuery",
        )
    )
