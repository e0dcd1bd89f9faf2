"""Rows of a table or view on its page."""

import threading
from dataclasses import dataclass
from typing import Any, Final

from synapse_workflows.local.domain.async_jobs import JobRun
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import format_entity_id
from synapse_workflows.local.domain.job_pool import JobProgress
from synapse_workflows.local.domain.portal.entity_page import PAGE_SIZE
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.service import Service
from synapse_workflows.local.domain.tables import query_bundle
from synapse_workflows.local.errors import ServiceError

#: Part mask of a query: rows, number of rows, and columns.
_PARTS: Final = query_bundle.RESULT | query_bundle.COUNT | query_bundle.SELECT


@dataclass(frozen=True)
class RowPage:
    """One page of the rows of a table or view.

    Args:
        columns: Name and `columnType` of each column.
        rows: Cells of each row as text; None for an empty cell.
        offset: Number of rows before the page.
        total: Number of rows of the table.
        problem: Why the rows cannot be shown; empty if they are.
    """

    columns: list[dict[str, Any]]
    rows: list[list[str | None]]
    offset: int = 0
    total: int = 0
    problem: str = ""

    @property
    def has_more(self) -> bool:
        """Whether more rows follow."""
        return self.offset + len(self.rows) < self.total


def read_rows(
    service: Service, caller: Caller, entity_id: int, number: int | None, offset: int
) -> RowPage:
    """Read one page of the rows of a table or view by a query.

    Args:
        service: The service.
        caller: User of the request.
        entity_id: ID of the table or view.
        number: Version; None for the current content.
        offset: Number of rows to skip.
    """
    entity = format_entity_id(entity_id) + ("" if number is None else f".{number}")
    query = {"sql": f"select * from {entity}", "limit": PAGE_SIZE, "offset": offset}  # noqa: S608
    run = JobRun(
        service=service,
        caller=caller,
        job_id=0,
        entity=entity,
        request={"query": query, "partMask": _PARTS},
        progress=JobProgress(threading.Event()),
    )
    try:
        bundle = query_bundle.run_query(run)
    except ServiceError as error:
        return RowPage([], [], problem=error.reason)
    columns = bundle["selectColumns"]
    rows = bundle["queryResult"]["queryResults"]["rows"]
    cells = [
        [_format(value, column) for value, column in zip(row["values"], columns, strict=True)]
        for row in rows
    ]
    return RowPage(columns, cells, offset, bundle["queryCount"])


def _format(value: str | None, column: dict[str, Any]) -> str | None:
    is_date = value is not None and column["columnType"] == "DATE"
    return to_iso(int(value)) if value is not None and is_date else value
