"""The parts of a query's answer (QueryResultBundle), page by page."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain import async_jobs, request_fields
from synapse_workflows.local.domain.async_jobs import Run
from synapse_workflows.local.domain.dates import iso
from synapse_workflows.local.domain.tables import facets, file_sizes, queries, schemas
from synapse_workflows.local.domain.tables.queries import Answering
from synapse_workflows.local.domain.tables.sql import dialect
from synapse_workflows.local.errors import BadRequest

_M: Final = f"{MODEL}.table"
_TOKEN: Final = f"{_M}.QueryNextPageToken"

RESULT, COUNT, SELECT, PAGE, COLUMNS, FACETS, SIZES, UPDATED, COMBINED, ACTIONS = (
    1 << bit for bit in range(10)
)
_BY_DEFAULT: Final = ACTIONS - 1
#: Characters of a page's cells; rows of long texts would not fit into memory otherwise.
_MOST_LETTERS: Final = 4 << 20


def query(run: Run) -> dict[str, Any]:
    """Answer a QueryBundleRequest.

    Raises:
        ServiceError: as for `queries.answering`.
    """
    body = request_fields.mapping(run.request, "query")
    if body is None:
        raise BadRequest("QueryBundleRequest.query is required.")
    asked = request_fields.integer(run.request, "partMask")
    mask = _BY_DEFAULT if asked is None else asked
    with queries.answering(run, body) as work:
        found = _parts(work, mask)
        if mask & RESULT:
            found["queryResult"] = _page(work, work.query.limit, work.query.offset)
        if mask & FACETS:
            found["facets"] = facets.of(work)
    return {"concreteType": f"{_M}.QueryResultBundle", **found}


def _parts(work: Answering, mask: int) -> dict[str, Any]:
    """Give the parts that are no rows."""
    source, statement = work.source, work.statement
    found: dict[str, Any] = {}
    if mask & COUNT:
        found["queryCount"] = 0 if statement is None else work.one(*statement.count())
    if mask & SELECT:
        found["selectColumns"] = _headers(work)
    if mask & PAGE and statement is not None:
        found["maxRowsPerPage"] = _page_size(work)
    if mask & COLUMNS:
        found["columnModels"] = [dict(each.body) for each in source.schema]
    if mask & SIZES:
        found["sumFileSizes"] = file_sizes.of(work)
    if mask & UPDATED:
        found["lastUpdatedOn"] = iso(source.changed_on)
    if mask & COMBINED:
        found["combinedSql"] = _combined(work)
    if mask & ACTIONS:
        found["actionsRequired"] = []
    return found


def _combined(work: Answering) -> str:
    refined = any(
        work.query.body.get(key) for key in ("additionalFilters", "selectedFacets", "sort")
    )
    return dialect.write(work.query.tree) if refined else work.query.text


def _headers(work: Answering) -> list[dict[str, Any]]:
    return [] if work.statement is None else [each.wire() for each in work.statement.columns]


def _page_size(work: Answering) -> int:
    if work.statement is None:
        return 1
    return schemas.rows_per_page(sum(each.width for each in work.statement.columns))


def _page(work: Answering, limit: int | None, offset: int) -> dict[str, Any]:
    """Give one page of rows, as a QueryResult."""
    size = _page_size(work)
    most = size if limit is None else min(size, limit)
    rows, is_full = _rows(work, most, offset)
    found: dict[str, Any] = {
        "concreteType": f"{_M}.QueryResult",
        "queryResults": {
            "concreteType": f"{_M}.RowSet",
            "tableId": work.source.table_id,
            "etag": work.source.etag,
            "headers": _headers(work),
            "rows": rows,
        },
    }
    rest = None if limit is None else limit - len(rows)
    if (is_full or len(rows) == size) and rest != 0 and work.statement is not None:
        found["nextPageToken"] = {
            "concreteType": _TOKEN,
            "entityId": work.run.entity,
            "token": _token({**work.query.body, "limit": rest, "offset": offset + len(rows)}),
        }
    return found


def _rows(work: Answering, most: int, offset: int) -> tuple[list[dict[str, Any]], bool]:
    """Give the rows of a page, and whether it ended early because their text is so long."""
    rows: list[dict[str, Any]] = []
    letters = 0
    for cells in work.rows(most, offset):
        rows.append(_row(work, cells))
        letters += sum(len(cell) for cell in cells if isinstance(cell, str))
        if letters > _MOST_LETTERS:
            return rows, len(rows) < most
    return rows, False


def _row(work: Answering, row: tuple[Any, ...]) -> dict[str, Any]:
    leading = work.leading
    cells = [
        None if cell is None else write(cell)
        for write, cell in zip(work.writers(), row[leading:], strict=True)
    ]
    names = ("rowId", "versionNumber", "etag")[: 3 if work.wants_etags else 2]
    system = dict(zip(names, row[:leading], strict=False))
    return {**system, "values": cells}


def _token(body: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(body).encode()).decode()


def next_page(run: Run) -> dict[str, Any]:
    """Answer a QueryNextPageToken with a QueryResult.

    Raises:
        BadRequest: the token is none of ours.
        ServiceError: as for `queries.answering`.
    """
    token = request_fields.required(run.request, "token")
    try:
        body = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise BadRequest(f"The provided token is not valid: {token[:100]}")
    with queries.answering(run, body) as work:
        return _page(work, work.query.limit, work.query.offset)


QUERY: Final = async_jobs.Kind(f"{_M}.QueryBundleRequest", query)
NEXT_PAGE: Final = async_jobs.Kind(_TOKEN, next_page)
