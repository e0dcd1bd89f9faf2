"""Compiler of a SELECT statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlglot import exp

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain.tables.sql import conditions, expressions, grouping
from synapse_workflows.local.domain.tables.sql.compiler import Compiler, QueryContext
from synapse_workflows.local.domain.tables.sql.dialect import write
from synapse_workflows.local.domain.tables.sql.typed_sql import (
    JSON_VALUE,
    Fragment,
    apply_collation,
    as_result,
    combine,
    get_sort_key,
    join,
    with_type,
)
from synapse_workflows.local.errors import BadRequest

_MAX_ROWS: Final = 2**62
_MAX_COLUMNS: Final = 1000
#: Maximum number of digits with which every number fits into 64 bits.
_SAFE_DIGITS: Final = 18


@dataclass(frozen=True)
class ResultColumn:
    """Column of a result.

    Args:
        name: Alias of the selected item; without an alias, the column name or the text of the
            expression.
        type: Type of the values.
        column_id: ID of a column of the table; None for an expression.
        width: Bytes that the column adds to a row.
    """

    name: str
    type: ColumnType
    column_id: int | None
    width: int

    def as_select_column(self) -> dict[str, Any]:
        """Return the body of a SelectColumn."""
        column_id = None if self.column_id is None else str(self.column_id)
        return {"name": self.name, "columnType": self.type, "id": column_id}


@dataclass(frozen=True)
class Statement:
    """SQLite statement compiled from a query. LIMIT and OFFSET are kept apart from the SQL.

    Args:
        sql: SQL text for SQLite.
        params: Values of the question marks in the SQL, in order.
        columns: Columns of the result.
        has_rows: Whether each row of the result begins with row ID and version, followed by the
            etag if `has_etags` is true.
        has_etags: Whether rows have an etag.
        limit: LIMIT of the query.
        offset: OFFSET of the query.
        is_volatile: Whether the result depends on the time or on the caller.
    """

    sql: str
    params: tuple[Any, ...]
    columns: tuple[ResultColumn, ...]
    has_rows: bool
    has_etags: bool
    limit: int
    offset: int
    is_volatile: bool

    def with_limit(self, limit: int | None = None, offset: int = 0) -> tuple[str, tuple[Any, ...]]:
        """Return the SQL and parameters that select a part of the result.

        Args:
            limit: Maximum number of rows, in addition to the LIMIT of the query; None for no
                additional limit.
            offset: Rows of the result to skip.
        """
        available = max(0, self.limit - offset)
        count = available if limit is None else min(available, limit)
        skipped = min(self.offset + offset, _MAX_ROWS)
        return f"{self.sql} LIMIT ? OFFSET ?", (*self.params, count, skipped)

    def count_rows(self) -> tuple[str, tuple[Any, ...]]:
        """Return the SQL and parameters that count the rows of the result."""
        sql, params = self.with_limit()
        return f"SELECT count(*) FROM ({sql})", params  # noqa: S608 - generated SQL


@dataclass(frozen=True)
class _Item:
    node: exp.Expression
    value: Fragment
    name: str


@dataclass(frozen=True)
class _Groups:
    """Grouping of the rows of a query.

    Args:
        items: Selected items.
        keys: Keys of GROUP BY.
        is_grouped: Whether rows are combined into groups. Without keys, all rows form one group.
        is_distinct: Whether the query has DISTINCT.
    """

    items: Sequence[_Item]
    keys: Sequence[exp.Expression]
    is_grouped: bool
    is_distinct: bool

    @property
    def has_rows(self) -> bool:
        """Whether each row of the result is one row of the table."""
        return not (self.is_grouped or self.is_distinct)


def compile_select(query: exp.Select, context: QueryContext) -> Statement:
    """Compile a query to a statement for SQLite.

    Args:
        query: Syntax tree of the query.
        context: The table and the caller.

    Raises:
        BadRequest: The query uses unsupported syntax or names unknown columns.
    """
    try:
        return _compile(query, context)
    except RecursionError:
        raise BadRequest("The SQL is nested too deeply.") from None


def _compile(query: exp.Select, context: QueryContext) -> Statement:
    compiler = Compiler(context, expressions.HANDLERS, conditions.HANDLERS)
    items = _compile_items(query, compiler)
    where = _compile_where(query, compiler)
    compiler.aliases = _get_aliases(query)
    groups = _get_groups(query, compiler, items)
    tail = [
        *_compile_group_by(compiler, groups),
        *_compile_having(query, compiler, groups),
        *_compile_order_by(query, compiler, groups),
    ]
    source = Fragment(f" FROM {context.relation.sql} AS t", context.relation.params)
    parts = [_compile_head(context, groups), source, *_join_unnested_lists(compiler)]
    whole = join("", [*parts, *where, *tail])
    return Statement(
        sql=whole.sql,
        params=whole.params,
        columns=tuple(_build_result_column(each) for each in items),
        has_rows=groups.has_rows,
        has_etags=context.relation.has_etags,
        limit=_parse_bound(query.args.get("limit"), _MAX_ROWS),
        offset=_parse_bound(query.args.get("offset"), 0),
        is_volatile=compiler.is_volatile,
    )


def _get_groups(query: exp.Select, compiler: Compiler, items: Sequence[_Item]) -> _Groups:
    keys = grouping.get_group_keys(query, compiler)
    has_aggregate = any(grouping.has_aggregate(each.node) for each in items)
    is_grouped = has_aggregate or bool(keys) or query.args.get("having") is not None
    return _Groups(items, keys, is_grouped, _is_distinct(query))


def _compile_head(context: QueryContext, groups: _Groups) -> Fragment:
    """Compile the SELECT clause."""
    is_distinct = groups.is_distinct and groups.is_grouped
    cells = [_compile_cell(each.value, is_distinct=is_distinct) for each in groups.items]
    system_cells = _list_system_cells(context) if groups.has_rows else []
    keyword = Fragment("SELECT DISTINCT " if is_distinct else "SELECT ")
    return combine("{}{}", keyword, join(", ", [*system_cells, *cells]))


def _compile_cell(value: Fragment, *, is_distinct: bool) -> Fragment:
    result = as_result(value)
    if is_distinct and value.type != JSON_VALUE:
        return result.with_sql(apply_collation(result))
    return result


def _build_result_column(item: _Item) -> ResultColumn:
    result = as_result(item.value)
    column_id = None if result.column is None else result.column.id
    return ResultColumn(item.name, ColumnType(str(result.type)), column_id, result.width)


def _list_system_cells(context: QueryContext) -> list[Fragment]:
    names = ("row_id", "version", *(("etag",) if context.relation.has_etags else ()))
    return [Fragment(f"t.{name}") for name in names]


def _compile_items(query: exp.Select, compiler: Compiler) -> list[_Item]:
    items: list[_Item] = []
    for node in query.expressions:
        if _is_star(node, compiler):
            for name in compiler.context.columns if len(items) <= _MAX_COLUMNS else ():
                column = exp.column(exp.to_identifier(name, quoted=True))
                items.append(_Item(column, compiler.value(column), name))
            continue
        inner = node.this if isinstance(node, exp.Alias) else node
        items.append(_Item(inner, compiler.value(inner), _get_column_name(node, inner)))
    if not items:
        raise BadRequest("The query selects no columns.")
    if len(items) > _MAX_COLUMNS:
        raise BadRequest(f"A query selects at most {_MAX_COLUMNS} columns.")
    return items


def _is_star(node: exp.Expression, compiler: Compiler) -> bool:
    star = node.this if isinstance(node, exp.Column) else node
    if not isinstance(star, exp.Star):
        return False
    table = node.args.get("table")
    is_other = table is not None and table.name.upper() not in compiler.context.table_names
    if any(star.args.values()) or is_other:
        raise BadRequest(f"Not supported: {write(node)}")
    return True


def _get_column_name(node: exp.Expression, inner: exp.Expression) -> str:
    if isinstance(node, exp.Alias):
        return node.alias
    if isinstance(inner, exp.Column):
        upper = inner.name.upper()
        return upper if upper in expressions.SYSTEM_COLUMNS else inner.name
    return write(inner)


def _get_aliases(query: exp.Select) -> dict[str, exp.Expression]:
    return {each.alias: each.this for each in query.expressions if isinstance(each, exp.Alias)}


def _is_distinct(query: exp.Select) -> bool:
    distinct = query.args.get("distinct")
    if distinct is not None and any(distinct.args.values()):
        raise BadRequest("DISTINCT ON is not supported.")
    return distinct is not None


def _compile_where(query: exp.Select, compiler: Compiler) -> list[Fragment]:
    where = query.args.get("where")
    if where is None:
        return []
    if grouping.has_aggregate(where.this):
        raise BadRequest("Aggregate functions are not supported in WHERE.")
    return [Fragment(" WHERE "), compiler.condition(where.this)]


def _compile_group_by(compiler: Compiler, groups: _Groups) -> list[Fragment]:
    values = [compiler.value(each) for each in groups.keys]
    for item in groups.items if groups.is_grouped else ():
        grouping.check_grouped(item.node, groups.keys)
    if groups.is_distinct and not groups.is_grouped:  # faster than SELECT DISTINCT
        values = [each.value for each in groups.items]
    keys = [with_type(each) for each in values]
    clause = join(", ", [each.with_sql(get_sort_key(each)) for each in keys])
    return [Fragment(" GROUP BY "), clause] if keys else []


def _compile_having(query: exp.Select, compiler: Compiler, groups: _Groups) -> list[Fragment]:
    having = query.args.get("having")
    if having is None:
        return []
    condition = compiler.condition(having.this)
    grouping.check_grouped(grouping.replace_aliases(having.this, compiler), groups.keys)
    return [Fragment(" HAVING "), condition]


def _compile_order_by(query: exp.Select, compiler: Compiler, groups: _Groups) -> list[Fragment]:
    order = query.args.get("order")
    nodes = [] if order is None else order.expressions
    grouping.check_key_count(nodes, "ORDER BY")
    compiler.alias_first = True
    terms = []
    for ordered in nodes:
        node = grouping.resolve_key(ordered.this, query, compiler)
        if groups.is_grouped:
            grouping.check_grouped(node, groups.keys)
        if groups.is_distinct:
            grouping.check_selected(node, [each.node for each in groups.items])
        terms.append(_compile_order_term(compiler.value(node), ordered))
    if groups.has_rows:  # total order: pages neither repeat nor omit rows
        terms.append(Fragment("t.row_id"))
    return [Fragment(" ORDER BY "), join(", ", terms)] if terms else []


def _compile_order_term(value: Fragment, ordered: exp.Expression) -> Fragment:
    descends = bool(ordered.args.get("desc"))
    others = set(ordered.args) - {"this", "desc", "nulls_first"}
    has_nulls_first = bool(ordered.args.get("nulls_first"))
    if any(ordered.args[each] for each in others) or has_nulls_first == descends:
        raise BadRequest("ORDER BY takes columns with ASC or DESC.")
    value = with_type(value)
    return value.with_sql(f"{get_sort_key(value)}{' DESC' if descends else ''}")


def _join_unnested_lists(compiler: Compiler) -> list[Fragment]:
    cells = compiler.context.relation.cells
    return [
        Fragment(f" LEFT JOIN json_each(coalesce(t.{cells[column_id]}, '[]')) AS {name} ON 1")
        for column_id, name in compiler.unnested.items()
    ]


def _parse_bound(node: exp.Expression | None, default: int) -> int:
    """Parse the number of LIMIT or OFFSET; return the default if the clause is missing."""
    if node is None:
        return default
    number = node.args.get("expression")
    if (
        not isinstance(number, exp.Literal)
        or number.is_string
        or not str(number.this).isdecimal()
        or any(value for part, value in node.args.items() if part not in {"this", "expression"})
    ):
        raise BadRequest("LIMIT and OFFSET take integers.")
    digits = str(number.this).lstrip("0") or "0"
    return int(digits) if len(digits) <= _SAFE_DIGITS else _MAX_ROWS
