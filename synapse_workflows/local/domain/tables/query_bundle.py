"""Query results in pages: QueryBundleRequest and QueryNextPageToken."""

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain import async_jobs, request_fields
from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.tables import facets, schemas
from synapse_workflows.local.domain.tables.queries import QueryExecution, open_query
from synapse_workflows.local.domain.tables.sql import dialect
from synapse_workflows.local.errors import BadRequest

_M: Final = f"{MODEL}.table"
_TOKEN: Final = f"{_M}.QueryNextPageToken"

RESULT, COUNT, SELECT, PAGE, COLUMNS, FACETS, SIZES, UPDATED, COMBINED, ACTIONS = (
    1 << bit for bit in range(10)
)
_DEFAULT_PARTS: Final = ACTIONS - 1
#: Maximum number of characters in the cells of a page. Limits the memory for long texts.
_MAX_PAGE_CHARACTERS: Final = 4 << 20


def run_query(run: JobRun) -> dict[str, Any]:
    """Execute a QueryBundleRequest and return the parts that its mask selects.

    Raises:
        ServiceError: As for `queries.open_query`.
    """
    body = request_fields.get_object(run.request, "query")
    if body is None:
        raise BadRequest("QueryBundleRequest.query is required.")
    mask = request_fields.get_integer(run.request, "partMask")
    mask = _DEFAULT_PARTS if mask is None else mask
    with open_query(run, body) as execution:
        parts = _get_metadata_parts(execution, mask)
        if mask & RESULT:
            query = execution.query
            parts["queryResult"] = _get_page(execution, query.limit, query.offset)
        if mask & FACETS:
            parts["facets"] = facets.list_facets(execution)
    return {"concreteType": f"{_M}.QueryResultBundle", **parts}


def _get_metadata_parts(execution: QueryExecution, mask: int) -> dict[str, Any]:
    """Return the selected parts other than rows and facets."""
    queryable, statement = execution.queryable, execution.statement
    parts: dict[str, Any] = {}
    if mask & COUNT:
        parts["queryCount"] = (
            0 if statement is None else execution.fetch_value(*statement.count_rows())
        )
    if mask & SELECT:
        parts["selectColumns"] = _get_headers(execution)
    if mask & PAGE and statement is not None:
        parts["maxRowsPerPage"] = _get_page_size(execution)
    if mask & COLUMNS:
        parts["columnModels"] = [dict(each.body) for each in queryable.schema]
    if mask & SIZES:
        parts["sumFileSizes"] = _sum_file_sizes(execution)
    if mask & UPDATED:
        parts["lastUpdatedOn"] = to_iso(queryable.changed_on)
    if mask & COMBINED:
        parts["combinedSql"] = _get_combined_sql(execution)
    if mask & ACTIONS:
        parts["actionsRequired"] = []
    return parts


def _sum_file_sizes(execution: QueryExecution) -> dict[str, Any]:
    """Return a SumFileSizes: the total size of the files of the selected rows of a view.

    Rows of tables and results of aggregates have no files. The sum for these is 0.
    """
    total, statement, queryable = 0, execution.statement, execution.queryable
    if queryable.size_column is not None and statement is not None and statement.has_rows:
        rows, params = statement.with_limit()
        query = (
            f"SELECT coalesce(sum({queryable.size_column}), 0) "  # noqa: S608 - own names
            f"FROM {queryable.relation.sql} WHERE row_id IN (SELECT row_id FROM ({rows}))"
        )
        total = execution.fetch_value(query, (*queryable.relation.params, *params))
    return {"sumFileSizesBytes": total, "greaterThan": False}


def _get_combined_sql(execution: QueryExecution) -> str:
    is_refined = any(
        execution.query.body.get(key) for key in ("additionalFilters", "selectedFacets", "sort")
    )
    return dialect.write(execution.query.tree) if is_refined else execution.query.text


def _get_headers(execution: QueryExecution) -> list[dict[str, Any]]:
    statement = execution.statement
    return [] if statement is None else [each.as_select_column() for each in statement.columns]


def _get_page_size(execution: QueryExecution) -> int:
    if execution.statement is None:
        return 1
    return schemas.get_max_rows_per_page(sum(each.width for each in execution.statement.columns))


def _get_page(execution: QueryExecution, limit: int | None, offset: int) -> dict[str, Any]:
    """Return one page of rows, as a QueryResult."""
    page_size = _get_page_size(execution)
    max_rows = page_size if limit is None else min(page_size, limit)
    rows, is_cut = _read_rows(execution, max_rows, offset)
    page: dict[str, Any] = {
        "concreteType": f"{_M}.QueryResult",
        "queryResults": {
            "concreteType": f"{_M}.RowSet",
            "tableId": execution.queryable.table_id,
            "etag": execution.queryable.etag,
            "headers": _get_headers(execution),
            "rows": rows,
        },
    }
    remaining = None if limit is None else limit - len(rows)
    has_more = is_cut or len(rows) == page_size
    if has_more and remaining != 0 and execution.statement is not None:
        following = {
            **execution.query.body, "limit": remaining, "offset": offset + len(rows)
        }  # fmt: skip
        page["nextPageToken"] = {
            "concreteType": _TOKEN,
            "entityId": execution.run.entity,
            "token": _encode_token(following),
        }
    return page


def _read_rows(
    execution: QueryExecution, max_rows: int, offset: int
) -> tuple[list[dict[str, Any]], bool]:
    """Return the rows of a page, and whether the page ends early because of its size limit."""
    rows: list[dict[str, Any]] = []
    characters = 0
    for cells in execution.iter_rows(max_rows, offset):
        rows.append(_serialize_row(execution, cells))
        characters += sum(len(cell) for cell in cells if isinstance(cell, str))
        if characters > _MAX_PAGE_CHARACTERS:
            return rows, len(rows) < max_rows
    return rows, False


def _serialize_row(execution: QueryExecution, row: tuple[Any, ...]) -> dict[str, Any]:
    width = execution.metadata_width
    cells = [
        None if cell is None else serialize(cell)
        for serialize, cell in zip(execution.get_serializers(), row[width:], strict=True)
    ]
    names = ("rowId", "versionNumber", "etag")[: 3 if execution.includes_etags else 2]
    return {**dict(zip(names, row[:width], strict=False)), "values": cells}


def _encode_token(body: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(body).encode()).decode()


def get_next_page(run: JobRun) -> dict[str, Any]:
    """Return the QueryResult that follows a QueryNextPageToken.

    Raises:
        BadRequest: The token is invalid.
        ServiceError: As for `queries.open_query`.
    """
    token = request_fields.get_required_text(run.request, "token")
    try:
        body = request_fields.parse_json(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, BadRequest):
        body = None
    if not isinstance(body, dict):
        raise BadRequest(f"The provided token is not valid: {token[:100]}")
    with open_query(run, body) as execution:
        return _get_page(execution, execution.query.limit, execution.query.offset)


QUERY: Final = async_jobs.JobType(f"{_M}.QueryBundleRequest", run_query)
NEXT_PAGE: Final = async_jobs.JobType(_TOKEN, get_next_page)
