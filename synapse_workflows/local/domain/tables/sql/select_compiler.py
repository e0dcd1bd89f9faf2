"""A whole query: what it gives, from which rows, grouped and sorted how."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlglot import exp

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain.tables.sql import grouping
from synapse_workflows.local.domain.tables.sql.compiler import Compiler
from synapse_workflows.local.domain.tables.sql.dialect import write
from synapse_workflows.local.domain.tables.sql.typed_sql import (
    EXTRACTED,
    LARGE,
    Fragment,
    collated,
    shown,
    sort_key,
    typed,
)
from synapse_workflows.local.errors import BadRequest

_MOST: Final = 2**62
_MOST_COLUMNS: Final = 1000
#: Digits of a number that surely has 64 bits.
_SHORT: Final = 18


@dataclass(frozen=True)
class ResultColumn:
    """A column of a result.

    Args:
        name: of the column, its alias, or the text of the expression.
        kind: type of its values.
        column_id: of what is a column of the table and nothing more.
        width: bytes that it adds to a row.
    """

    name: str
    kind: ColumnType
    column_id: int | None
    width: int

    def wire(self) -> dict[str, Any]:
        """Write it as a SelectColumn."""
        column_id = None if self.column_id is None else str(self.column_id)
        return {"name": self.name, "columnType": self.kind, "id": column_id}


@dataclass(frozen=True)
class Statement:
    """A query for SQLite, without its limit.

    Args:
        text: SQLite's SQL.
        bound: values for its question marks.
        columns: of the result.
        has_rows: whether row id and version, and etag where there is one, come first.
        has_etags: whether there is one.
        limit: of the query itself.
        offset: of the query itself.
        is_volatile: whether the answer depends on when or by whom it is asked.
    """

    text: str
    bound: tuple[Any, ...]
    columns: tuple[ResultColumn, ...]
    has_rows: bool
    has_etags: bool
    limit: int
    offset: int
    is_volatile: bool

    def limited(self, limit: int | None = None, offset: int = 0) -> tuple[str, tuple[Any, ...]]:
        """Give the statement for a part of what the query gives."""
        rest = max(0, self.limit - offset)
        most = rest if limit is None else min(rest, limit)
        skipped = min(self.offset + offset, _MOST)
        return f"{self.text} LIMIT ? OFFSET ?", (*self.bound, most, skipped)

    def count(self) -> tuple[str, tuple[Any, ...]]:
        """Give the statement that counts what the query gives."""
        text, bound = self.limited()
        return f"SELECT count(*) FROM ({text})", bound  # noqa: S608 - ours


@dataclass(frozen=True)
class _Item:
    node: exp.Expression
    fragment: Fragment
    name: str


def compile_select(query: exp.Select, compiler: Compiler) -> Statement:
    """Rewrite a query for SQLite.

    Args:
        query: its tree.
        compiler: for the table that it is from, fresh.

    Raises:
        BadRequest: it says what is not supported, or names unknown columns.
    """
    try:
        return _compiled(query, compiler)
    except RecursionError:
        raise BadRequest("The SQL is nested too deeply.") from None


def _compiled(query: exp.Select, compiler: Compiler) -> Statement:
    items = _items(query, compiler)
    where = _where(query, compiler)
    compiler.aliases = _aliases(query)
    groups = grouping.groups(query, compiler)
    distinct = _is_distinct(query)
    having = query.args.get("having")
    sets = any(grouping.has_aggregate(each.node) for each in items) or having is not None
    is_aggregated = sets or bool(groups) or distinct
    chosen_by = [each.node for each in items] if distinct else None
    grouped = (sets or bool(groups)) and not grouping.tells_rows_apart(groups)
    for each in items if grouped else ():
        grouping.require_grouped(each.node, groups)
    tail = _tail(query, compiler, groups, chosen_by, grouped=grouped)
    system = () if is_aggregated else _system(compiler)
    if not is_aggregated:
        tail = _stable(tail)
    apart = distinct and (sets or bool(groups))
    chosen = [*system, *(_cell(each, distinct=apart) for each in items)]
    parts = [
        Fragment(f"SELECT {'DISTINCT ' if apart else ''}"),
        _joined(", ", chosen),
        Fragment(f" FROM {compiler.relation.text} AS t", compiler.relation.bound),
        *_unnested(compiler),
        *where,
        *(_by_value(items) if distinct and not apart else ()),
        *tail,
    ]
    whole = _joined("", parts)
    limit, offset = _bounds(query)
    return Statement(
        text=whole.text,
        bound=whole.bound,
        columns=tuple(_result(each) for each in items),
        has_rows=not is_aggregated,
        has_etags=compiler.relation.has_etags,
        limit=limit,
        offset=offset,
        is_volatile=compiler.is_volatile,
    )


def _joined(between: str, parts: Sequence[Fragment]) -> Fragment:
    text = between.join(part.text for part in parts)
    return Fragment(text, tuple(value for part in parts for value in part.bound))


def _by_value(items: Sequence[_Item]) -> list[Fragment]:
    """Write DISTINCT as groups of what is equal."""
    keys = [typed(each.fragment) for each in items]
    return [Fragment(" GROUP BY "), _joined(", ", [key.named(sort_key(key)) for key in keys])]


def _cell(item: _Item, *, distinct: bool) -> Fragment:
    found = shown(item.fragment)
    exact = item.fragment.kind in {EXTRACTED, LARGE}
    return found.named(collated(found)) if distinct and not exact else found


def _result(item: _Item) -> ResultColumn:
    found = shown(item.fragment)
    column_id = None if found.column is None else found.column.id
    return ResultColumn(item.name, ColumnType(str(found.kind)), column_id, found.width)


def _system(compiler: Compiler) -> tuple[Fragment, ...]:
    names = ("row_id", "version", *(("etag",) if compiler.relation.has_etags else ()))
    return tuple(Fragment(f"t.{name}") for name in names)


def _items(query: exp.Select, compiler: Compiler) -> list[_Item]:
    found: list[_Item] = []
    for node in query.expressions:
        if _is_star(node, compiler):
            for name in compiler.columns if len(found) <= _MOST_COLUMNS else ():
                column = exp.column(exp.to_identifier(name, quoted=True))
                found.append(_Item(column, compiler.value(column), name))
            continue
        inner = node.this if isinstance(node, exp.Alias) else node
        found.append(_Item(inner, compiler.value(inner), _name(node, inner)))
    if not found:
        raise BadRequest("The query selects no columns.")
    if len(found) > _MOST_COLUMNS:
        raise BadRequest(f"A query selects at most {_MOST_COLUMNS} columns.")
    return found


def _is_star(node: exp.Expression, compiler: Compiler) -> bool:
    star = node.this if isinstance(node, exp.Column) else node
    if not isinstance(star, exp.Star):
        return False
    table = node.args.get("table")
    if any(star.args.values()) or (table is not None and table.name.upper() not in compiler.names):
        raise BadRequest(f"Not supported: {write(node)}")
    return True


def _name(node: exp.Expression, inner: exp.Expression) -> str:
    if isinstance(node, exp.Alias):
        return node.alias
    if isinstance(inner, exp.Column):
        system = inner.name.upper()
        return system if system in {"ROW_ID", "ROW_VERSION", "ROW_ETAG"} else inner.name
    return write(inner)


def _aliases(query: exp.Select) -> dict[str, exp.Expression]:
    return {each.alias: each.this for each in query.expressions if isinstance(each, exp.Alias)}


def _is_distinct(query: exp.Select) -> bool:
    distinct = query.args.get("distinct")
    if distinct is not None and any(distinct.args.values()):
        raise BadRequest("DISTINCT ON is not supported.")
    return distinct is not None


def _where(query: exp.Select, compiler: Compiler) -> list[Fragment]:
    where = query.args.get("where")
    if where is None:
        return []
    if grouping.has_aggregate(where.this):
        raise BadRequest("Invalid use of a set function in WHERE.")
    return [Fragment(" WHERE "), compiler.condition(where.this)]


def _tail(
    query: exp.Select,
    compiler: Compiler,
    groups: Sequence[exp.Expression],
    chosen: Sequence[exp.Expression] | None,
    *,
    grouped: bool,
) -> list[Fragment]:
    """Write GROUP BY, HAVING and ORDER BY."""
    parts = []
    if groups:
        keys = [typed(compiler.value(each)) for each in groups]
        parts += [
            Fragment(" GROUP BY "),
            _joined(", ", [each.named(sort_key(each)) for each in keys]),
        ]
    having = query.args.get("having")
    if having is not None:
        parts += [Fragment(" HAVING "), compiler.condition(having.this)]
        if grouped:
            grouping.require_grouped(grouping.with_aliases(having.this, compiler), groups)
    order = query.args.get("order")
    if order is not None:
        grouping.require_few(order.expressions, "ORDER BY")
        compiler.alias_first = True
        nodes = [
            (grouping.resolved(each.this, query, compiler), each) for each in order.expressions
        ]
        for node, _ in nodes:
            if grouped:
                grouping.require_grouped(node, groups)
            if chosen is not None:
                grouping.require_chosen(node, chosen)
        parts += [
            Fragment(" ORDER BY "),
            _joined(", ", [_sorted_by(compiler, node, each) for node, each in nodes]),
        ]
    return parts


def _sorted_by(compiler: Compiler, node: exp.Expression, ordered: exp.Expression) -> Fragment:
    descends = bool(ordered.args.get("desc"))
    others = set(ordered.args) - {"this", "desc", "nulls_first"}
    if any(ordered.args[each] for each in others) or (
        bool(ordered.args.get("nulls_first")) == descends
    ):
        raise BadRequest("ORDER BY takes columns with ASC or DESC.")
    found = typed(compiler.value(node))
    return found.named(f"{sort_key(found)}{' DESC' if descends else ''}")


def _stable(tail: Sequence[Fragment]) -> list[Fragment]:
    """Sort what is equal by row, so that pages neither repeat nor miss one."""
    sorts = any(part.text == " ORDER BY " for part in tail)
    return [*tail, Fragment(", t.row_id" if sorts else " ORDER BY t.row_id")]


def _unnested(compiler: Compiler) -> list[Fragment]:
    return [
        Fragment(
            f" LEFT JOIN json_each(coalesce(t.{compiler.relation.cells[number]}, '[]'))"
            f" AS {name} ON 1"
        )
        for number, name in compiler.unnested.items()
    ]


def _bounds(query: exp.Select) -> tuple[int, int]:
    limit, offset = query.args.get("limit"), query.args.get("offset")
    return _bound(limit, _MOST), _bound(offset, 0)


def _bound(node: exp.Expression | None, default: int) -> int:
    if node is None:
        return default
    number = node.args.get("expression")
    known = {"this", "expression"}
    if (
        not isinstance(number, exp.Literal)
        or number.is_string
        or not str(number.this).isdecimal()
        or any(value for part, value in node.args.items() if value and part not in known)
    ):
        raise BadRequest("LIMIT and OFFSET take whole numbers.")
    digits = str(number.this).lstrip("0") or "0"
    return int(digits) if len(digits) <= _SHORT else _MOST
