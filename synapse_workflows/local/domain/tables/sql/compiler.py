"""Walks a query's tree: whatever is not known here is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.domain.tables.sql import conditions, expressions
from synapse_workflows.local.domain.tables.sql.dialect import write
from synapse_workflows.local.domain.tables.sql.fragments import Fragment
from synapse_workflows.local.errors import BadRequest


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

    def value(self, node: exp.Expression | None) -> Fragment:
        """Rewrite what has a value.

        Raises:
            BadRequest: it has none, or is not supported.
        """
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
