"""Handlers of conditions: comparisons, IN, BETWEEN, LIKE, HAS, and their combination."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlglot import exp

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain.tables.cell_values import NAN
from synapse_workflows.local.domain.tables.column_types import ITEM_TYPES, LIST_TYPES, TEXT_TYPES
from synapse_workflows.local.domain.tables.sql.collation import fold
from synapse_workflows.local.domain.tables.sql.compiler import Compiler, Handlers, create_handlers
from synapse_workflows.local.domain.tables.sql.dialect import Has, HasLike, write
from synapse_workflows.local.domain.tables.sql.typed_sql import (
    DATETIME,
    JSON_VALUE,
    Fragment,
    apply_collation,
    as_json_operand,
    as_number,
    as_text,
    coerce_literal,
    combine,
    join,
    literal,
    require_list_column,
)
from synapse_workflows.local.errors import BadRequest

_OPERATORS: Final[Mapping[type[exp.Expression], str]] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
#: Types that are stored as numbers and returned as text. Comparisons with text are rejected.
_NOT_TEXT: Final = frozenset({ColumnType.ENTITYID, ColumnType.BOOLEAN})
_JSON: Final = LIST_TYPES | {ColumnType.JSON}


def _make_comparable(left: Fragment, right: Fragment) -> tuple[Fragment, Fragment]:
    """Convert two values for a comparison as text, numbers, dates or JSON values.

    Returns:
        Both values. The SQL of the left value includes the collation.

    Raises:
        BadRequest: The values cannot be compared.
    """
    types = {left.type, right.type}
    if JSON_VALUE in types or (_JSON & types and None not in types):
        return as_json_operand(left), as_json_operand(right)
    if DATETIME in types:
        return _as_date_operand(left, right), _as_date_operand(right, left)
    if left.is_literal and not right.is_literal:
        right, left = _make_comparable(right, left)
        return left.with_sql(apply_collation(left)), right
    if not left.is_literal and not _is_computed_text(left, right):
        right = coerce_literal(right, str(left.type))
    if left.is_text and (right.is_text or right.is_null):
        return left.with_sql(apply_collation(left)), right
    if _NOT_TEXT & types and (left.is_text or right.is_text):
        raise _incomparable_error(left, right)
    if left.type == ColumnType.DOUBLE and right.literal == NAN:
        return left, right
    return as_number(left), as_number(right)


def _as_date_operand(value: Fragment, other: Fragment) -> Fragment:
    if value.type in {DATETIME, ColumnType.DATE}:
        return value
    if value.is_null or (value.is_literal and isinstance(value.literal, str)):
        return coerce_literal(value, DATETIME)
    raise _incomparable_error(value, other)


def _incomparable_error(left: Fragment, right: Fragment) -> BadRequest:
    return BadRequest(
        f"A {left.type or 'literal'} cannot be compared with a {right.type or 'literal'}."
    )


def _is_computed_text(left: Fragment, right: Fragment) -> bool:
    """Return whether the operands are computed text and a number.

    For such a comparison, the text is converted to a number.
    """
    is_number = isinstance(right.literal, int | float) and not isinstance(right.literal, bool)
    return left.type in TEXT_TYPES and left.column is None and is_number


def _compile_comparison(compiler: Compiler, node: exp.Expression) -> Fragment:
    operands = _make_comparable(compiler.value(node.this), compiler.value(node.expression))
    return combine(f"({{}} {_OPERATORS[type(node)]} {{}})", *operands)


def _combine_balanced(operator: str, parts: Sequence[Fragment]) -> Fragment:
    """Combine conditions into a balanced tree, because SQLite limits the depth of expressions."""
    while len(parts) > 1:
        parts = [
            combine(f"({f' {operator} '.join('{}' for _ in pair)})", *pair)
            for pair in (parts[at : at + 2] for at in range(0, len(parts), 2))
        ]
    return parts[0]


def _compile_and_or(compiler: Compiler, node: exp.Expression) -> Fragment:
    operands: list[exp.Expression] = []
    stack = [node]
    while stack:
        each = stack.pop()
        if type(each) is type(node):
            stack += [each.expression, each.this]
        else:
            operands.append(each)
    operator = "AND" if isinstance(node, exp.And) else "OR"
    return _combine_balanced(operator, [compiler.condition(each) for each in operands])


def _compile_not(compiler: Compiler, node: exp.Expression) -> Fragment:
    return combine("(NOT {})", compiler.condition(node.this))


def _compile_paren(compiler: Compiler, node: exp.Expression) -> Fragment:
    return combine("({})", compiler.condition(node.this))


def _require_equal(values: Sequence[Fragment], syntax: str) -> None:
    """Check that all comparisons have the same left operand, so that the SQL contains it once.

    Raises:
        BadRequest: The left operands differ.
    """
    if any(value != values[0] for value in values):
        raise BadRequest(f"{syntax} takes values of one type.")


def compile_case_operands(
    compiler: Compiler, subject: exp.Expression, options: Sequence[exp.Expression]
) -> tuple[Fragment, list[Fragment]]:
    """Compile the operand of a CASE and the values of its WHEN clauses.

    Raises:
        BadRequest: The comparisons need different types.
    """
    value = compiler.value(subject)
    pairs = [_make_comparable(value, compiler.value(each)) for each in options]
    _require_equal([left for left, _ in pairs], "CASE")
    return pairs[0][0], [right for _, right in pairs]


def _compile_in(compiler: Compiler, node: exp.In) -> Fragment:
    value = compiler.value(node.this)
    items = [compiler.value(each, is_listed=True) for each in node.expressions]
    pairs = [_make_comparable(value, each) for each in items]
    if not pairs:
        raise BadRequest("IN takes a list of values.")
    # NaN is stored as text. If the list contains NaN, compare the stored values with the items.
    stored = [left for left, right in pairs if right.literal == NAN and not left.is_text]
    lefts = [stored[0] if stored else left for left, _ in pairs]
    _require_equal(lefts, "IN")
    return combine("({} IN ({}))", lefts[0], join(", ", [right for _, right in pairs]))


def _compile_between(compiler: Compiler, node: exp.Between) -> Fragment:
    value = compiler.value(node.this)
    low = _make_comparable(value, compiler.value(node.args["low"]))
    high = _make_comparable(value, compiler.value(node.args["high"]))
    if value.is_literal:
        return combine("({} >= {} AND {} <= {})", *low, *high)
    _require_equal([low[0], high[0]], "BETWEEN")
    return combine("({} BETWEEN {} AND {})", *low, high[1])


def _compile_is(compiler: Compiler, node: exp.Is) -> Fragment:
    other = node.expression
    if isinstance(other, exp.Null):
        return combine("({} IS NULL)", compiler.value(node.this))
    if isinstance(other, exp.Boolean):
        template = "({} IS TRUE)" if other.this else "({} IS FALSE)"
        return combine(template, compiler.condition(node.this))
    raise BadRequest(f"IS takes NULL, TRUE or FALSE: {write(node)[:200]}")


def _parse_quoted_text(node: Any, syntax: str) -> str:
    if isinstance(node, exp.Literal) and node.is_string:
        return str(node.this)
    raise BadRequest(f"{syntax} takes text in single quotes.")


def _parse_escape(node: Any) -> str:
    character = _parse_quoted_text(node, "ESCAPE")
    if len(character) != 1:
        raise BadRequest(f"ESCAPE takes one character, not '{character[:100]}'.")
    return character


def _compile_like(compiler: Compiler, node: exp.Expression, escape: str = "\\") -> Fragment:
    text, pattern = (as_text(compiler.value(each)) for each in (node.this, node.expression))
    negation = "NOT " if node.args.get("negate") else ""
    return combine(f"({negation}like_text({{}}, {{}}, {{}}))", text, pattern, literal(escape))


def _compile_escaped_like(compiler: Compiler, node: exp.Escape) -> Fragment:
    if not isinstance(node.this, exp.Like):
        raise BadRequest("ESCAPE is only supported after LIKE.")
    return _compile_like(compiler, node.this, _parse_escape(node.expression))


def _compile_has(compiler: Compiler, node: Has) -> Fragment:
    column = compiler.value(node.this)
    type_ = ITEM_TYPES[require_list_column(column, "HAS").type]
    items = [coerce_literal(compiler.value(each), type_) for each in node.expressions]
    if not all(each.is_literal for each in items):
        raise BadRequest("HAS takes a list of literals.")
    stored = json.dumps([_as_stored_item(each.literal, type_) for each in items])
    return combine("has_item({}, {})", column, literal(stored))


def _as_stored_item(value: Any, type_: ColumnType) -> Any:
    """Convert an item to the form in which list cells store items, with folded text."""
    if type_ is ColumnType.ENTITYID:
        return f"syn{value}"
    if type_ is ColumnType.BOOLEAN:
        return bool(value)
    return fold(value) if isinstance(value, str) else value


def _compile_has_like(compiler: Compiler, node: HasLike) -> Fragment:
    column = compiler.value(node.this)
    require_list_column(column, "HAS_LIKE")
    patterns = [_parse_quoted_text(each, "HAS_LIKE") for each in node.expressions]
    escape = node.args.get("escape")
    character = "\\" if escape is None else _parse_escape(escape)
    arguments = literal(json.dumps(patterns)), literal(character)
    return combine("has_like({}, {}, {})", column, *arguments)


HANDLERS: Final[Handlers] = {
    **create_handlers(_compile_comparison, _OPERATORS),
    **create_handlers(_compile_and_or, [exp.And, exp.Or]),
    **create_handlers(_compile_not, [exp.Not]),
    **create_handlers(_compile_paren, [exp.Paren]),
    **create_handlers(_compile_in, [exp.In], ["this", "expressions"]),
    **create_handlers(_compile_between, [exp.Between], ["this", "low", "high"]),
    **create_handlers(_compile_is, [exp.Is]),
    **create_handlers(_compile_like, [exp.Like], ["this", "expression", "negate"]),
    **create_handlers(_compile_escaped_like, [exp.Escape]),
    **create_handlers(_compile_has, [Has], ["this", "expressions"]),
    **create_handlers(_compile_has_like, [HasLike], ["this", "expressions", "escape"]),
}
