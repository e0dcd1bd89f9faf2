"""What may stand beside set functions: keys of the groups, and nothing that differs within one."""

from collections.abc import Sequence
from typing import Final

from sqlglot import exp

from synapse_workflows.constants import ROW_ID
from synapse_workflows.local.domain.tables.sql.aggregates import is_aggregate
from synapse_workflows.local.domain.tables.sql.compiler import Compiler
from synapse_workflows.local.domain.tables.sql.dialect import write
from synapse_workflows.local.errors import BadRequest

#: Digits of the number of an item of the select list.
_DIGITS: Final = 4
_MOST_KEYS: Final = 200


def has_aggregate(node: exp.Expression) -> bool:
    """Tell whether a set function is called anywhere in a node."""
    return any(is_aggregate(each) for each in node.walk())


def groups(query: exp.Select, compiler: Compiler) -> list[exp.Expression]:
    """List the keys of GROUP BY.

    Raises:
        BadRequest: one is unknown.
    """
    group = query.args.get("group")
    if group is None:
        return []
    if any(value for part, value in group.args.items() if part != "expressions"):
        raise BadRequest("GROUP BY takes a list of columns.")
    require_few(group.expressions, "GROUP BY")
    found = [resolved(each, query, compiler) for each in group.expressions]
    for each in found:
        compiler.value(each)
    return found


def require_few(items: Sequence[exp.Expression], what: str) -> None:
    """Check how long a list is.

    Raises:
        BadRequest: it is too long.
    """
    if len(items) > _MOST_KEYS:
        raise BadRequest(f"{what} takes at most {_MOST_KEYS} columns.")


def resolved(node: exp.Expression, query: exp.Select, compiler: Compiler) -> exp.Expression:
    """Follow an alias, or the number of an item of the select list."""
    if isinstance(node, exp.Literal) and not node.is_string:
        digits = str(node.this)
        number = int(digits) if digits.isdecimal() and len(digits) <= _DIGITS else 0
        if not 1 <= number <= len(query.expressions):
            raise BadRequest(f"Unknown column {node.this}")
        chosen: exp.Expression = query.expressions[number - 1]
        return chosen.this if isinstance(chosen, exp.Alias) else chosen
    if isinstance(node, exp.Column) and not node.table:
        known = node.name in compiler.columns and not compiler.alias_first
        return node if known else compiler.aliases.get(node.name, node)
    return node


def tells_rows_apart(groups: Sequence[exp.Expression]) -> bool:
    """Tell whether each group is one row, as ROW_ID is among the keys."""
    return any(isinstance(each, exp.Column) and each.name.upper() == ROW_ID for each in groups)


def require_chosen(node: exp.Expression, chosen: Sequence[exp.Expression]) -> None:
    """Check that what a query with DISTINCT is sorted by is made of what it selects.

    Raises:
        BadRequest: it is not.
    """
    if any(_same(node, each) for each in chosen):
        return
    if isinstance(node, exp.Column) or is_aggregate(node):
        raise BadRequest(
            f"With DISTINCT, ORDER BY takes only what is selected, which {write(node)} is not."
        )
    for each in node.iter_expressions():
        require_chosen(each, chosen)


def require_grouped(node: exp.Expression, groups: Sequence[exp.Expression]) -> None:
    """Check that a value is the same in all rows of a group.

    Raises:
        BadRequest: it is not.
    """
    if is_aggregate(node) or any(_same(node, each) for each in groups):
        return
    if isinstance(node, exp.Column):
        raise BadRequest(f"The column {write(node)} is neither in GROUP BY nor in a set function.")
    for each in node.iter_expressions():
        require_grouped(each, groups)


def with_aliases(node: exp.Expression, compiler: Compiler) -> exp.Expression:
    """Put what aliases stand for in their place, to look at what is grouped."""

    def swap(each: exp.Expression) -> exp.Expression:
        if isinstance(each, exp.Column) and each.name not in compiler.columns:
            return compiler.aliases.get(each.name, each).copy()
        return each

    return node.copy().transform(swap)


def _same(one: exp.Expression, other: exp.Expression) -> bool:
    if isinstance(one, exp.Column) and isinstance(other, exp.Column):
        return one.name == other.name
    return one == other
