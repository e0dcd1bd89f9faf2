"""What is true or false: comparisons, membership, patterns, and how they are joined."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain.tables.cell_values import NAN
from synapse_workflows.local.domain.tables.column_types import LIST_TYPES, TEXT_TYPES
from synapse_workflows.local.domain.tables.sql.collation import fold
from synapse_workflows.local.domain.tables.sql.dialect import Has, HasLike, write
from synapse_workflows.local.domain.tables.sql.typed_sql import (
    EXTRACTED,
    MOMENT,
    Fragment,
    coerce,
    collated,
    item_kind,
    key_of,
    number,
    text_of,
)
from synapse_workflows.local.errors import BadRequest

if TYPE_CHECKING:
    from synapse_workflows.local.domain.tables.sql.compiler import Compiler

_SIGNS: Final[Mapping[type[exp.Expression], str]] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
#: Types whose text in MySQL is not the one that is shown, so that they meet no other text.
_OPAQUE: Final = frozenset({ColumnType.ENTITYID, ColumnType.BOOLEAN})
_JSON: Final = LIST_TYPES | {ColumnType.JSON}


def truth(value: Fragment, node: exp.Expression) -> Fragment:
    """Take a boolean for a condition.

    Raises:
        BadRequest: it is none.
    """
    is_unknown = value.is_literal and value.literal is None
    if value.kind == ColumnType.BOOLEAN or isinstance(value.literal, bool) or is_unknown:
        return Fragment(value.text, value.bound)
    raise BadRequest(f"A condition is needed where {write(node)[:200]} stands.")


def pair(left: Fragment, right: Fragment) -> tuple[Fragment, Fragment]:
    """Bring two values to where they can be compared: as texts, numbers, dates or JSON values.

    Raises:
        BadRequest: they cannot.
    """
    kinds = {left.kind, right.kind}
    if EXTRACTED in kinds or (_JSON & kinds and None not in kinds):
        return key_of(left), key_of(right)
    if MOMENT in kinds:
        return _date(left, right), _date(right, left)
    if left.is_literal and not right.is_literal:
        right, left = pair(right, left)
        return left, right
    if not left.is_literal and not _is_made_text(left, right):
        right = coerce(right, str(left.kind))
    if left.is_text and (right.is_text or (right.literal is None and right.is_literal)):
        return left, right
    if _OPAQUE & kinds and (left.is_text or right.is_text):
        raise _incomparable(left, right)
    if left.kind == ColumnType.DOUBLE and right.literal == NAN:
        return left, right
    return number(left), number(right)


def _date(value: Fragment, other: Fragment) -> Fragment:
    """Take a value for a date that is compared with another one."""
    if value.kind in {MOMENT, ColumnType.DATE}:
        return value
    if value.is_literal and (value.literal is None or isinstance(value.literal, str)):
        return coerce(value, MOMENT)
    raise _incomparable(value, other)


def _incomparable(left: Fragment, right: Fragment) -> BadRequest:
    return BadRequest(
        f"A {left.kind or 'literal'} cannot be compared with a {right.kind or 'literal'}."
    )


def _is_made_text(left: Fragment, right: Fragment) -> bool:
    """Tell whether a text that an expression makes meets a number: then it counts as one."""
    numeric = isinstance(right.literal, int | float) and not isinstance(right.literal, bool)
    return left.kind in TEXT_TYPES and left.column is None and numeric


def joined(text: str, *parts: Fragment) -> Fragment:
    """Make a condition of parts, each of which stands once and in order for a `{}`."""
    whole = text.format(*(part.text for part in parts))
    return Fragment(whole, tuple(value for part in parts for value in part.bound))


def _compare(compiler: "Compiler", node: exp.Expression) -> Fragment:
    return _compared(
        _SIGNS[type(node)], *pair(compiler.value(node.this), compiler.value(node.expression))
    )


def _compared(sign: str, left: Fragment, right: Fragment) -> Fragment:
    tail = right.named(collated(right)) if left.is_text else right
    return joined(f"({{}} {sign} {{}})", left, tail)


def balanced(word: str, parts: list[Fragment]) -> Fragment:
    """Join conditions so that the tree stays low, however many they are."""
    while len(parts) > 1:
        parts = [
            joined(f"({{}} {word} {{}})", *parts[at : at + 2])
            if at + 1 < len(parts)
            else parts[at]
            for at in range(0, len(parts), 2)
        ]
    return parts[0]


def _connect(compiler: "Compiler", node: exp.Expression) -> Fragment:
    word = "AND" if isinstance(node, exp.And) else "OR"
    parts: list[exp.Expression] = []
    rest = [node]
    while rest:
        each = rest.pop()
        if type(each) is type(node):
            rest += [each.expression, each.this]
        else:
            parts.append(each)
    return balanced(word, [compiler.condition(each) for each in parts])


def _not(compiler: "Compiler", node: exp.Expression) -> Fragment:
    return joined("(NOT {})", compiler.condition(node.this))


def _paren(compiler: "Compiler", node: exp.Expression) -> Fragment:
    return joined("({})", compiler.condition(node.this))


def _require_same(lefts: list[Fragment], what: str) -> None:
    """Check that a value is compared in one way with all others, so that it stands but once.

    Raises:
        BadRequest: it is not.
    """
    if any(left != lefts[0] for left in lefts):
        raise BadRequest(f"{what} needs values of one type.")


def choice(
    compiler: "Compiler", subject: exp.Expression, options: list[exp.Expression]
) -> tuple[Fragment, list[Fragment]]:
    """Rewrite what CASE compares, and what it compares it with.

    Raises:
        BadRequest: they cannot be compared in one way.
    """
    this = compiler.value(subject)
    pairs = [pair(this, compiler.value(each)) for each in options]
    _require_same([left for left, _ in pairs], "CASE")
    left = pairs[0][0]
    return left.named(collated(left)), [right for _, right in pairs]


def _in(compiler: "Compiler", node: exp.Expression) -> Fragment:
    this = compiler.value(node.this)
    pairs = [pair(this, compiler.value(each, is_listed=True)) for each in node.expressions]
    if not pairs:
        raise BadRequest("IN needs a list of values.")
    raw = [left for left, right in pairs if right.literal == NAN and not left.is_text]
    if raw:  # then NaN is a value like others
        pairs = [(raw[0], right) for _, right in pairs]
    _require_same([left for left, _ in pairs], "IN")
    first, marks = pairs[0][0], ", ".join("{}" for _ in pairs)
    items = [item for _, item in pairs]
    return joined(f"({{}} IN ({marks}))", first.named(collated(first)), *items)


def _between(compiler: "Compiler", node: exp.Expression) -> Fragment:
    this = compiler.value(node.this)
    low = pair(this, compiler.value(node.args["low"]))
    high = pair(this, compiler.value(node.args["high"]))
    if this.is_literal:
        return joined("({} AND {})", _compared(">=", *low), _compared("<=", *high))
    _require_same([low[0], high[0]], "BETWEEN")
    left = low[0].named(collated(low[0]))
    return joined("({} BETWEEN {} AND {})", left, low[1], high[1])


def _is(compiler: "Compiler", node: exp.Expression) -> Fragment:
    other = node.expression
    if isinstance(other, exp.Null):
        return joined("({} IS NULL)", compiler.value(node.this))
    if isinstance(other, exp.Boolean):
        sign = "IS TRUE" if other.this else "IS FALSE"
        return joined(f"({{}} {sign})", compiler.condition(node.this))
    raise BadRequest(f"Not supported: {write(node)[:200]}")


def _pattern(node: Any, what: str) -> str:
    if isinstance(node, exp.Literal) and node.is_string:
        return str(node.this)
    raise BadRequest(f"{what} must be a text in quotes.")


def _escape(node: Any) -> str:
    letter = _pattern(node, "ESCAPE")
    if len(letter) != 1:
        raise BadRequest("ESCAPE must be one character.")
    return letter


def _like(compiler: "Compiler", node: exp.Expression, escape: str = "\\") -> Fragment:
    this = text_of(compiler.value(node.this))
    pattern = text_of(compiler.value(node.expression))
    letter = Fragment("?", (escape,))
    sign = "NOT " if node.args.get("negate") else ""
    return joined(f"({sign}like_text({{}}, {{}}, {{}}))", this, pattern, letter)


def _escaped(compiler: "Compiler", node: exp.Expression) -> Fragment:
    if not isinstance(node.this, exp.Like):
        raise BadRequest("ESCAPE goes with LIKE.")
    return _like(compiler, node.this, _escape(node.expression))


def _has(compiler: "Compiler", node: exp.Expression) -> Fragment:
    this = compiler.value(node.this)
    kind = item_kind(this, "HAS")
    wanted = []
    for each in node.expressions:
        item = coerce(compiler.value(each), kind)
        if not item.is_literal:
            raise BadRequest("HAS needs a list of literals.")
        wanted.append(_item(item.literal, kind))
    return joined("has_item({}, {})", this, Fragment("?", (json.dumps(wanted),)))


def _item(value: Any, kind: ColumnType) -> Any:
    """Give an item as it stands in the JSON of a list, with folded text."""
    if kind is ColumnType.ENTITYID:
        return f"syn{value}"
    if kind is ColumnType.BOOLEAN:
        return bool(value)
    return fold(value) if isinstance(value, str) else value


def _has_like(compiler: "Compiler", node: exp.Expression) -> Fragment:
    this = compiler.value(node.this)
    item_kind(this, "HAS_LIKE")
    patterns = [_pattern(each, "HAS_LIKE") for each in node.expressions]
    escape = node.args.get("escape")
    letter = "\\" if escape is None else _escape(escape)
    wanted = Fragment("?, ?", (json.dumps(patterns), letter))
    return joined("has_like({}, {})", this, wanted)


def is_nan(this: Fragment) -> Fragment:
    """Tell whether a DOUBLE is NaN."""
    _require_double(this, "isNaN")
    return joined(f"({{}} IS '{NAN}')", this)


def is_infinity(this: Fragment) -> Fragment:
    """Tell whether a DOUBLE is infinite, on either side."""
    _require_double(this, "isInfinity")
    return joined("coalesce({} IN (9e999, -9e999), 0)", this)


def _require_double(this: Fragment, what: str) -> None:
    if this.kind != ColumnType.DOUBLE:
        raise BadRequest(f"{what} needs a DOUBLE column.")


#: Functions that tell something, by name.
TESTS: Final[Mapping[str, Callable[[Fragment], Fragment]]] = {
    "ISNAN": is_nan,
    "ISINFINITY": is_infinity,
}


def _call(compiler: "Compiler", node: exp.Expression) -> Fragment:
    name = str(node.this).upper()
    if name == "TEXT_MATCHES":
        raise BadRequest("TEXT_MATCHES: search is not enabled on this table.")
    test = TESTS.get(name)
    if test is None:
        return truth(compiler.value(node), node)
    if len(node.expressions) != 1:
        raise BadRequest(f"The function {name} takes one argument.")
    return test(compiler.value(node.expressions[0]))


Build = Callable[["Compiler", Any], Fragment]

CONDITIONS: Final[Mapping[type[exp.Expression], Build]] = {
    **dict.fromkeys(_SIGNS, _compare),
    exp.And: _connect,
    exp.Or: _connect,
    exp.Not: _not,
    exp.Paren: _paren,
    exp.In: _in,
    exp.Between: _between,
    exp.Is: _is,
    exp.Like: _like,
    exp.Escape: _escaped,
    Has: _has,
    HasLike: _has_like,
    exp.Anonymous: _call,
}
_TWO: Final = frozenset({"this", "expression"})
#: The arguments of each node that are read; a node with others is refused.
ARGUMENTS: Final[Mapping[type[exp.Expression], frozenset[str]]] = {
    **dict.fromkeys(CONDITIONS, _TWO),
    exp.Like: _TWO | {"negate"},
    exp.In: frozenset({"this", "expressions"}),
    exp.Between: frozenset({"this", "low", "high"}),
    Has: frozenset({"this", "expressions"}),
    HasLike: frozenset({"this", "expressions", "escape"}),
    exp.Anonymous: frozenset({"this", "expressions"}),
}
