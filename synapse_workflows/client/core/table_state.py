"""Looks at a table as flows: how many rows a query finds, and whether anything has changed."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from synapse_workflows.client.core import async_job_flow, flows
from synapse_workflows.client.core.async_job_flow import Job, Polling
from synapse_workflows.client.core.flows import Call, Flow
from synapse_workflows.constants import DATASET, ENTITY_VIEW, MODEL, SUBMISSION_VIEW

#: What has no rows of its own: they are those of what it shows.
VIEWS: Final = frozenset({ENTITY_VIEW, SUBMISSION_VIEW, DATASET})
_QUERY: Final = f"{MODEL}.table.QueryBundleRequest"
_ROWS: Final = 0x1
_COUNT: Final = 0x2
_COLUMNS: Final = 0x4
#: Says which rows a view shows, each in which state, whatever their order and number.
_ROW_STATES: Final = "crc32(concat(ROW_ID, '.', ROW_VERSION, '.', ROW_ETAG))"
#: Quoted text is no SQL: a column may be called "max(n)".
_QUOTED: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`""")
_SET_FUNCTION: Final = re.compile(
    r"\b(?:count|sum|avg|min|max|group_concat|json_arrayagg|json_objectagg|bit_(?:and|or|xor)"
    r"|std|stddev(?:_pop|_samp)?|var(?:_pop|_samp)|variance|any_value)\s*\(",
    re.IGNORECASE,
)
_MAY_LACK_ROWS: Final = re.compile(r"\b(?:group\s+by|having)\b", re.IGNORECASE)


@dataclass(frozen=True)
class ContentFingerprint:
    """What tells one content of a table or view from another.

    Args:
        etag: Of its rows and columns; None for a table that never had any.
        digest: Of the columns of a view and of the states of its rows; None for a table, whose
            etag is enough. That of a view may stay the same while its rows change.
    """

    etag: str | None
    digest: str | None = None

    def is_known_to_equal(self, other: "ContentFingerprint") -> bool:
        """Tell whether both are the same for sure."""
        return self == other and self.etag is not None

    def is_known_to_differ(self, other: "ContentFingerprint") -> bool:
        """Tell whether they differ in what both of them know."""
        digests = {self.digest, other.digest} - {None}
        return self.etag != other.etag or len(digests) > 1


@dataclass(frozen=True)
class TableState:
    """What tells one state of a table or view from another.

    Args:
        version: The number under which it changes; another one after each snapshot.
        content: What is in it.
    """

    version: int
    content: ContentFingerprint

    def differs(self, other: "TableState") -> bool:
        """Tell whether something has changed between the two."""
        return self.version != other.version or self.content.is_known_to_differ(other.content)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON: `version`, `etag`, and for views `digest`."""
        values: dict[str, Any] = {"version": self.version, "etag": self.content.etag}
        return values if self.content.digest is None else {**values, "digest": self.content.digest}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Build the object from `to_json`, or from a mapping with these keys and others."""
        content = ContentFingerprint(values.get("etag"), values.get("digest"))
        return cls(int(values["version"]), content)


def always_returns_a_row(sql: str) -> bool:
    """Tell whether a query has one row as its answer, even of an empty table."""
    words = _QUOTED.sub("''", sql)
    return bool(_SET_FUNCTION.search(words)) and not _MAY_LACK_ROWS.search(words)


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


def fetch_state(table: str, polling: Polling) -> Flow[TableState]:
    """Look at the state of a table or view.

    Raises:
        SynapseHTTPError: There is no such table, or it may not be read.
    """
    reply = yield from flows.send(Call("GET", f"/entity/{table}"))
    is_view = reply.json["concreteType"] in VIEWS
    content = yield from fetch_fingerprint(table, None, polling, is_view=is_view)
    return TableState(int(reply.json["versionNumber"]), content)


def fetch_fingerprint(
    table: str, version: int | None, polling: Polling, *, is_view: bool
) -> Flow[ContentFingerprint]:
    """Look at what tells the content of a table or view, or of a snapshot, from another.

    Args:
        table: As ``syn123``.
        version: Of a snapshot; None for what is there now.
        polling: How patiently to wait for an answer.
        is_view: Whether its rows are those of something else.

    Raises:
        SynapseHTTPError: It cannot be read.
    """
    named = table if version is None else f"{table}.{version}"
    sql = f"select * from {named} limit 1"  # noqa: S608 - an id
    bundle = yield from _ask(table, sql, _ROWS | _COLUMNS, polling)
    etag = _rows(bundle).get("etag")
    if not is_view or etag is None:
        return ContentFingerprint(etag)
    columns = [[one.get("name"), one.get("columnType")] for one in bundle.get("selectColumns", ())]
    states = f"select count(*), bit_xor({_ROW_STATES}), sum({_ROW_STATES}) from {named}"  # noqa: S608
    bundle = yield from _ask(table, states, _ROWS, polling)
    values = [row["values"] for row in _rows(bundle).get("rows", ())]
    text = json.dumps([columns, values])
    return ContentFingerprint(etag, hashlib.sha256(text.encode()).hexdigest()[:32])


def _rows(bundle: Any) -> Any:
    return (bundle.get("queryResult") or {}).get("queryResults") or {}


def _ask(table: str, sql: str, parts: int, polling: Polling) -> Flow[Any]:
    body = {
        "concreteType": _QUERY,
        "entityId": table,
        "query": {"sql": sql},
        "partMask": parts,
    }
    job = Job(f"/entity/{table}/table/query/async", body, repeatable=True)
    return (yield from async_job_flow.run(job, polling))
