"""Walks a query's tree: whatever is not known here is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlglot import exp

from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.domain.tables.sql import conditions, expressions
from synapse_workflows.local.domain.tables.sql.dialect import write
from synapse_workflows.local.domain.tables.sql.typed_sql import Fragment
from synapse_workflows.local.errors import BadRequest

_MOST_WORK: Final = 500_000
#: What SQLite looks at again for each other one of its kind, when it prepares a statement.
_COMPARISON, _LITERAL, _OTHER = 30, 20, 1


@dataclass(frozen=True)
class Relation:
    """What rows come from.

    Args:
        text: SQLite's SQL of a table or a bracketed query; has row_id and version.
        bound: values for its question marks.
        cells: by column id, what the cells of a column are called there.
        has_etags: whether there is a column `etag`, too.
    """

    text: str
    bound: tuple[object, ...]
    cells: Mapping[int, str]
    has_etags: bool = False


@dataclass
class Work:
    """How much of a query was rewritten; what an alias stands for counts each time."""

    done: int = 0

    def add(self, weight: int) -> None:
        """Count one value or condition more.

        Raises:
            BadRequest: they are too many.
        """
        self.done += weight
        if self.done > _MOST_WORK:
            raise BadRequest(
                "The query is made of too many values and conditions: conditions count "
                f"{_COMPARISON}, values {_LITERAL}, columns and items of IN {_OTHER}, and all of "
                f"them may count {_MOST_WORK}. Ask x IN (1, 2, ...) for x = 1 OR x = 2 ..., or "
                "ask in several queries."
            )


@dataclass
class Compiler:
    """One query on its way to SQLite.

    Args:
        relation: what its rows come from.
        columns: of the table, by name.
        names: by which the query may call the table.
        caller_id: who asks.
        now: milliseconds since the epoch.
        aliases: what the select list names; empty where aliases mean nothing.
        alias_first: whether an alias wins over a column of the same name.
        unnested: list columns that are unnested, by column id, and their table's alias.
        is_volatile: whether the answer depends on when or by whom it is asked.
        work: what was done so far.
    """

    relation: Relation
    columns: Mapping[str, Column]
    names: frozenset[str]
    caller_id: int
    now: int
    aliases: dict[str, exp.Expression] = field(default_factory=dict)
    alias_first: bool = False
    unnested: dict[int, str] = field(default_factory=dict)
    is_volatile: bool = False
    work: Work = field(default_factory=Work)

    def value(self, node: exp.Expression | None, *, is_listed: bool = False) -> Fragment:
        """Rewrite what has a value.

        Args:
            node: what has one.
            is_listed: whether it is an item of IN.

        Raises:
            BadRequest: it has none, or is not supported.
        """
        self.work.add(_LITERAL if isinstance(node, exp.Literal) and not is_listed else _OTHER)
        if node is None:
            raise BadRequest("The query lacks a value.")
        build = expressions.VALUES.get(type(node))
        if build is None:
            raise BadRequest(f"Not supported here: {write(node)[:200]}")
        _require_known(node, expressions.ARGUMENTS)
        return build(self, node)

    def condition(self, node: exp.Expression) -> Fragment:
        """Rewrite what is true or false; a fragment without a type.

        Raises:
            BadRequest: it is neither, or is not supported.
        """
        self.work.add(_COMPARISON)
        build = conditions.CONDITIONS.get(type(node))
        if build is None:
            return conditions.truth(self.value(node), node)
        _require_known(node, conditions.ARGUMENTS)
        return build(self, node)


def _require_known(
    node: exp.Expression, known: Mapping[type[exp.Expression], frozenset[str]]
) -> None:
    """Refuse a node that says more than we read."""
    for name, value in node.args.items():
        if value and name not in known[type(node)]:
            raise BadRequest(f"Not supported: {write(node)[:200]}")
