"""Validation of select lists, sort keys and HAVING in queries with groups or DISTINCT."""

from collections.abc import Sequence
from typing import Final

from sqlglot import exp

from synapse_workflows.local.domain.tables.sql.aggregates import is_aggregate
from synapse_workflows.local.domain.tables.sql.compiler import Compiler
from synapse_workflows.local.domain.tables.sql.dialect import write
from synapse_workflows.local.errors import BadRequest

#: Maximum number of digits of a position in the select list.
_MAX_POSITION_DIGITS: Final = 4
_MAX_KEYS: Final = 200


def has_aggregate(node: exp.Expression) -> bool:
    """Return whether a node contains a call of an aggregate function."""
    return any(is_aggregate(each) for each in node.walk())


def get_group_keys(query: exp.Select, compiler: Compiler) -> list[exp.Expression]:
    """Return the keys of GROUP BY.

    Raises:
        BadRequest: There are too many keys, or the syntax is not supported.
    """
    group = query.args.get("group")
    if group is None:
        return []
    if any(value for part, value in group.args.items() if part != "expressions"):
        raise BadRequest("GROUP BY takes a list of columns.")
    check_key_count(group.expressions, "GROUP BY")
    return [resolve_key(each, query, compiler) for each in group.expressions]


def check_key_count(keys: Sequence[exp.Expression], clause: str) -> None:
    """Check the length of a list of keys.

    Raises:
        BadRequest: There are too many keys.
    """
    if len(keys) > _MAX_KEYS:
        raise BadRequest(f"{clause} takes at most {_MAX_KEYS} columns, not {len(keys)}.")


def resolve_key(node: exp.Expression, query: exp.Select, compiler: Compiler) -> exp.Expression:
    """Return the expression that an alias or a position in the select list refers to.

    Raises:
        BadRequest: The select list has no such position.
    """
    if isinstance(node, exp.Literal) and not node.is_string:
        digits = str(node.this)
        is_position = digits.isdecimal() and len(digits) <= _MAX_POSITION_DIGITS
        position = int(digits) if is_position else 0
        if not 1 <= position <= len(query.expressions):
            raise BadRequest(f"Unknown column {digits[:100]}")
        selected: exp.Expression = query.expressions[position - 1]
        return selected.this if isinstance(selected, exp.Alias) else selected
    if isinstance(node, exp.Column) and not node.table:
        is_column = node.name in compiler.context.columns and not compiler.alias_first
        return node if is_column else compiler.aliases.get(node.name, node)
    return node


def check_selected(node: exp.Expression, selected: Sequence[exp.Expression]) -> None:
    """Check that a sort key of a query with DISTINCT consists of selected values.

    Raises:
        BadRequest: The sort key contains a column or an aggregate that is not selected.
    """
    if any(_is_same(node, each) for each in selected):
        return
    if isinstance(node, exp.Column) or is_aggregate(node):
        raise BadRequest(
            f"With DISTINCT, ORDER BY takes only selected values: {write(node)} is not selected."
        )
    for each in node.iter_expressions():
        check_selected(each, selected)


def check_grouped(node: exp.Expression, keys: Sequence[exp.Expression]) -> None:
    """Check that a value is the same in all rows of a group.

    Raises:
        BadRequest: The value contains a column that is neither grouped nor aggregated.
    """
    if is_aggregate(node) or any(_is_same(node, each) for each in keys):
        return
    if isinstance(node, exp.Column):
        raise BadRequest(
            f"The column {write(node)} is neither in GROUP BY nor in an aggregate function."
        )
    for each in node.iter_expressions():
        check_grouped(each, keys)


def replace_aliases(node: exp.Expression, compiler: Compiler) -> exp.Expression:
    """Return a copy of a node in which aliases are replaced by their expressions."""

    def replace(each: exp.Expression) -> exp.Expression:
        if isinstance(each, exp.Column) and each.name not in compiler.context.columns:
            return compiler.aliases.get(each.name, each).copy()
        return each

    return node.copy().transform(replace)


def _is_same(one: exp.Expression, other: exp.Expression) -> bool:
    if isinstance(one, exp.Column) and isinstance(other, exp.Column):
        return one.name == other.name
    return one == other
