"""Flows that read the state of a table: row counts of queries, and changes of the content."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from synapse_workflows.client.core import async_job_flow, flows
from synapse_workflows.client.core.async_job_flow import Job, Polling
from synapse_workflows.client.core.flows import Call, Flow
from synapse_workflows.constants import MATERIALIZED_VIEW, MODEL, TABLE

_QUERY: Final = f"{MODEL}.table.QueryBundleRequest"
_ROWS: Final = 0x1
_COUNT: Final = 0x2
_COLUMNS: Final = 0x4
#: SQL expression for the state of one row of a view.
_ROW_STATES: Final = "crc32(concat(ROW_ID, '.', ROW_VERSION, '.', ROW_ETAG))"
#: Quoted names and literals, which may contain SQL keywords, for example a column "max(n)".
_QUOTED: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`""")
_AGGREGATE_FUNCTION: Final = re.compile(
    r"\b(?:count|sum|avg|min|max|group_concat|json_arrayagg|json_objectagg|bit_(?:and|or|xor)"
    r"|std|stddev(?:_pop|_samp)?|var(?:_pop|_samp)|variance|any_value)\s*\(",
    re.IGNORECASE,
)
_MAY_RETURN_NO_ROWS: Final = re.compile(r"\b(?:group\s+by|having)\b", re.IGNORECASE)


@dataclass(frozen=True)
class ContentFingerprint:
    """Fingerprint of the content of a table or view.

    Args:
        etag: Etag of rows and columns; None for a table that never had rows.
        digest: Hash of the columns and row states of a view, or of the columns of a table without
            an etag; else None. Views need the hash, because the etag of a view may stay the same
            although its rows change. The rows of a materialized view have no states.
    """

    etag: str | None
    digest: str | None = None

    def is_known_to_equal(self, other: "ContentFingerprint") -> bool:
        """Return whether both contents are certainly equal."""
        return self == other and (self.etag or self.digest) is not None

    def is_known_to_differ(self, other: "ContentFingerprint") -> bool:
        """Return whether a value that both fingerprints contain differs."""
        digests = {self.digest, other.digest} - {None}
        return self.etag != other.etag or len(digests) > 1


@dataclass(frozen=True)
class TableState:
    """State of a table or view.

    Args:
        version: Number of the current version, which increases with each snapshot.
        content: Fingerprint of the content.
    """

    version: int
    content: ContentFingerprint

    def differs(self, other: "TableState") -> bool:
        """Return whether version or content differ between two states."""
        return self.version != other.version or self.content.is_known_to_differ(other.content)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON: `version`, `etag`, and `digest` for most views."""
        values: dict[str, Any] = {"version": self.version, "etag": self.content.etag}
        return values if self.content.digest is None else {**values, "digest": self.content.digest}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Create the state from the result of `to_json`; other keys are ignored."""
        content = ContentFingerprint(values.get("etag"), values.get("digest"))
        return cls(int(values["version"]), content)


def always_returns_a_row(sql: str) -> bool:
    """Return whether a query returns one row even for an empty table, like `count(*)`."""
    unquoted = _QUOTED.sub("''", sql)
    return bool(_AGGREGATE_FUNCTION.search(unquoted)) and not _MAY_RETURN_NO_ROWS.search(unquoted)


def count_rows(table: str, sql: str, polling: Polling) -> Flow[int]:
    """Return the number of rows that match a query, without fetching them.

    Args:
        table: ID of the table in `sql`, without a version.
        sql: The query.
        polling: Polling settings of the query job.

    Raises:
        SynapseHTTPError: The query failed.
    """
    bundle = yield from _query(table, sql, _COUNT, polling)
    return int(bundle.get("queryCount") or 0)


def fetch_state(table: str, polling: Polling) -> Flow[TableState]:
    """Fetch the state of a table or view.

    Raises:
        SynapseHTTPError: The table does not exist, or the user may not read it.
    """
    reply = yield from flows.send(Call("GET", f"/entity/{table}"))
    concrete_type = reply.object["concreteType"]
    content = yield from fetch_fingerprint(table, None, polling, concrete_type)
    return TableState(int(reply.object["versionNumber"]), content)


def fetch_fingerprint(
    table: str, version: int | None, polling: Polling, concrete_type: str
) -> Flow[ContentFingerprint]:
    """Fetch the fingerprint of the content of a table, view or snapshot.

    Args:
        table: ID, for example ``syn123``.
        version: Version of a snapshot; None for the current content.
        polling: Polling settings of the query jobs.
        concrete_type: Full type of the entity.

    Raises:
        SynapseHTTPError: The table does not exist, or the user may not read it.
    """
    source = table if version is None else f"{table}.{version}"
    sql = f"select * from {source} limit 1"  # noqa: S608 - an id
    bundle = yield from _query(table, sql, _ROWS | _COLUMNS, polling)
    etag = _rows(bundle).get("etag")
    columns = [[one.get("name"), one.get("columnType")] for one in bundle.get("selectColumns", ())]
    if concrete_type == TABLE:
        return ContentFingerprint(etag, None if etag else _hash(columns))
    if etag is None or concrete_type == MATERIALIZED_VIEW:
        return ContentFingerprint(etag)
    states_sql = f"select count(*), bit_xor({_ROW_STATES}), sum({_ROW_STATES}) from {source}"  # noqa: S608
    bundle = yield from _query(table, states_sql, _ROWS, polling)
    values = [row["values"] for row in _rows(bundle).get("rows", ())]
    return ContentFingerprint(etag, _hash([columns, values]))


def _hash(values: list[Any]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]


def _rows(bundle: Any) -> Any:
    return (bundle.get("queryResult") or {}).get("queryResults") or {}


def _query(table: str, sql: str, parts: int, polling: Polling) -> Flow[Any]:
    body = {
        "concreteType": _QUERY,
        "entityId": table,
        "query": {"sql": sql},
        "partMask": parts,
    }
    job = Job(f"/entity/{table}/table/query/async", body, repeatable=True)
    return (yield from async_job_flow.run(job, polling))
