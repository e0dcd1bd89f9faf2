"""Translation of the queries of SQL check operators, because Synapse has no subqueries.

`SQLColumnCheckOperator` and `SQLTableCheckOperator` of `common.sql` generate one query with a
subquery for each check. Each subquery becomes a query of its own.
"""

import re
from dataclasses import dataclass
from typing import Final

from airflow.sdk.exceptions import AirflowFailException

_FLAGS: Final = re.IGNORECASE | re.DOTALL
#: The query around all checks.
_CHECKS: Final = re.compile(
    r"\s*select\s+(?:col_name,\s*check_type|check_name),\s*check_result\s+from\s*\((.*)\)"
    r"\s*as\s+check_(?:columns|table)\s*",
    _FLAGS,
)
_COLUMN_CHECK: Final = re.compile(
    r"\s*select\s+'(?P<column>.*?)'\s+as\s+col_name,\s*'(?P<check>\w+)'\s+as\s+check_type,.*?"
    r"\sas\s+check_result\s+from\s*\(select\s+(?P<expression>.*)\s+as\s+(?P<alias>.+?)_(?P=check)"
    r"\s+from\s+(?P<rest>.*)\)\s*as\s+sq\s*",
    _FLAGS,
)
_TABLE_CHECK: Final = re.compile(
    r"\s*select\s+'(?P<check>.*?)'\s+as\s+check_name,\s*min\(.*?\)\s+as\s+check_result\s+from\s*"
    r"\(select\s+case\s+when\s+(?P<condition>.*)\s+then\s+1\s+else\s+0\s+end\s+as\s+(?P=check)"
    r"\s+from\s+(?P<rest>.*)\)\s*as\s+sq\s*",
    _FLAGS,
)
_QUOTED: Final = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_AGGREGATE: Final = re.compile(
    rf"{_QUOTED}|\b(count|sum|avg|min|max|group_concat|std\w*|var\w*)\s*\(", _FLAGS
)
_DISTINCT: Final = re.compile(r"\bcount\(distinct\((.*?)\)\)", _FLAGS)
_SUBQUERY: Final = re.compile(rf"{_QUOTED}|(\(\s*select\b)", _FLAGS)


@dataclass(frozen=True)
class CheckQuery:
    """A query of one check.

    Args:
        labels: The first values of the row that the operator expects.
        sql: A query whose only cell is the last value.
    """

    labels: tuple[str, ...]
    sql: str


def parse_check_queries(sql: str) -> list[CheckQuery] | None:
    """Split the query of a check operator into one query for each check.

    Args:
        sql: The query.

    Returns:
        The queries; None if the query has no subquery.

    Raises:
        AirflowFailException: The query has another subquery.
    """
    if not _has_subquery(sql):
        return None
    checks = _CHECKS.fullmatch(sql)
    queries = [_parse_check(part) for part in _split_union(checks[1])] if checks else []
    if not queries or None in queries:
        reject_subqueries(sql)
    return [query for query in queries if query is not None]


def reject_subqueries(sql: str) -> None:
    """Check that a query has no subquery.

    Raises:
        AirflowFailException: The query has a subquery.
    """
    if _has_subquery(sql):
        raise AirflowFailException(
            "Synapse does not support subqueries. Use SQLCheckOperator or SQLValueCheckOperator "
            "with one query such as 'select count(*) ... where n > 5', or create a "
            f"MaterializedView. The query: {sql.strip()!r:.300}"
        )


def _has_subquery(sql: str) -> bool:
    return any(match[1] for match in _SUBQUERY.finditer(sql))


def _split_union(sql: str) -> list[str]:
    """Split a query at UNION ALL, except in quotes."""
    parts, start = [], 0
    for match in re.finditer(rf"{_QUOTED}|(union\s+all)", sql, _FLAGS):
        if match[1]:
            parts.append(sql[start : match.start()])
            start = match.end()
    return [*parts, sql[start:]]


def _parse_check(sql: str) -> CheckQuery | None:
    match = _COLUMN_CHECK.fullmatch(sql)
    if match:
        expression = _DISTINCT.sub(r"COUNT(DISTINCT \1)", match["expression"])
        labels = (match["column"], match["check"])
        return CheckQuery(labels, _select(expression, match["rest"]))
    match = _TABLE_CHECK.fullmatch(sql)
    if match is None:
        return None
    condition = match["condition"]
    value = f"CASE WHEN {condition} THEN 1 ELSE 0 END"
    is_aggregate = any(one[1] for one in _AGGREGATE.finditer(condition))
    value = value if is_aggregate else f"MIN({value})"
    return CheckQuery((match["check"],), _select(value, match["rest"]))


def _select(expression: str, rest: str) -> str:
    return f"SELECT {expression} FROM {rest}"  # noqa: S608 - parts of the query of an operator
