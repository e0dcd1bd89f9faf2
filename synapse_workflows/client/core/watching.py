"""Looks at a table as flows: how many rows a query finds, and whether anything has changed."""

from dataclasses import dataclass
from typing import Any, Final

from synapse_workflows.client.core import flows, jobs
from synapse_workflows.client.core.flows import Call, Flow
from synapse_workflows.client.core.jobs import Job, Polling
from synapse_workflows.vocabulary import MODEL

_QUERY: Final = f"{MODEL}.table.QueryBundleRequest"
_ROWS: Final = 0x1
_COUNT: Final = 0x2


@dataclass(frozen=True)
class TableState:
    """What tells one state of a table from another.

    Args:
        version: The number under which it changes; another one after each snapshot.
        etag: Of its rows and columns; None for a table that never had any.
    """

    version: int
    etag: str | None


def count_rows(table: str, sql: str, polling: Polling) -> Flow[int]:
    """Count the rows that a query finds, without fetching them.

    Args:
        table: The id of the table that `sql` asks, without a version.
        sql: The query.
        polling: How patiently to wait for the answer.

    Raises:
        SynapseHTTPError: The query cannot be answered.
    """
    bundle = yield from _ask(table, sql, _COUNT, polling)
    return int(bundle.get("queryCount") or 0)


def state_of(table: str, polling: Polling) -> Flow[TableState]:
    """Look at the state of a table.

    Raises:
        SynapseHTTPError: There is no such table, or it may not be read.
    """
    reply = yield from flows.ask(Call("GET", f"/entity/{table}"))
    etag = yield from etag_of(table, None, polling)
    return TableState(int(reply.json["versionNumber"]), etag)


def etag_of(table: str, version: int | None, polling: Polling) -> Flow[Any]:
    """Look at the etag of the rows of a table, or of one of its snapshots.

    Returns:
        Text; None for a table without columns.
    """
    named = table if version is None else f"{table}.{version}"
    sql = f"select * from {named} limit 1"  # noqa: S608 - an id
    bundle = yield from _ask(table, sql, _ROWS, polling)
    rows = (bundle.get("queryResult") or {}).get("queryResults") or {}
    return rows.get("etag")


def _ask(table: str, sql: str, parts: int, polling: Polling) -> Flow[Any]:
    body = {
        "concreteType": _QUERY,
        "entityId": table,
        "query": {"sql": sql},
        "partMask": parts,
    }
    job = Job(f"/entity/{table}/table/query/async", body, repeatable=True)
    return (yield from jobs.run(job, polling))
