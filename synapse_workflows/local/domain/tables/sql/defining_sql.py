"""Defining SQL of materialized views: queries with joins and unions.

The columns of the joined tables get unique names, so that `select_compiler` can compile each query
like a query of one table.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from sqlglot import exp, tokens
from sqlglot.tokens import TokenType  # type: ignore[attr-defined]  # not in its __all__

from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.domain.tables.sql import (
    conditions,
    dialect,
    expressions,
    grouping,
    joined_columns,
)
from synapse_workflows.local.domain.tables.sql.collation import COLLATION
from synapse_workflows.local.domain.tables.sql.compiler import Compiler, QueryContext, Relation
from synapse_workflows.local.domain.tables.sql.joined_columns import JoinedColumns, SourceTable
from synapse_workflows.local.domain.tables.sql.select_compiler import (
    ResultColumn,
    Statement,
    compile_select,
)
from synapse_workflows.local.domain.tables.sql.typed_sql import Fragment, combine, join
from synapse_workflows.local.errors import BadRequest

_KEYWORDS: Final = (
    "JOIN", "ON", "USING", "LEFT", "RIGHT", "FULL", "INNER", "OUTER", "CROSS", "NATURAL", "UNION",
    "INTERSECT", "EXCEPT",
)  # fmt: skip
#: Side and kind of a join, as sqlglot parses them -> SQL.
_JOINS: Final[Mapping[tuple[str, str], str]] = {
    ("", ""): "JOIN",
    ("", "INNER"): "JOIN",
    ("LEFT", ""): "LEFT JOIN",
    ("LEFT", "OUTER"): "LEFT JOIN",
    ("RIGHT", ""): "RIGHT JOIN",
    ("RIGHT", "OUTER"): "RIGHT JOIN",
}
_JOIN_ARGUMENTS: Final = frozenset({"this", "side", "kind", "on"})
_MAX_SOURCES: Final = 20


class _DefiningSqlDialect(dialect.SynapseSql):
    """Dialect with joins and unions."""

    class Tokenizer(dialect.SynapseSql.Tokenizer):
        KEYWORDS: ClassVar = {
            **dialect.SynapseSql.Tokenizer.KEYWORDS,
            **{word: tokens.Tokenizer.KEYWORDS[word] for word in _KEYWORDS},
            "ALL": TokenType.ALL,
        }


@dataclass(frozen=True)
class Source:
    """A table or view in a FROM clause.

    Args:
        table: `syn123`, or `syn123.4` for a version.
        names: Names that may qualify its columns, in upper case.
        join: SQL of the join with the sources before it; empty for the first source.
        condition: ON condition of the join.
    """

    table: str
    names: frozenset[str]
    join: str = ""
    condition: exp.Expression | None = None


@dataclass(frozen=True)
class _Part:
    """One SELECT of a defining SQL.

    Args:
        tree: The query.
        sources: Its tables and views.
        union: SQL that combines the query with the queries before it; empty for the first one.
    """

    tree: exp.Select
    sources: tuple[Source, ...]
    union: str = ""


@dataclass(frozen=True)
class DefiningSql:
    """A parsed defining SQL.

    Args:
        parts: Its SELECTs, combined by UNION.
    """

    parts: tuple[_Part, ...]

    @property
    def tables(self) -> list[str]:
        """The tables and views, as `syn123` or `syn123.4`, each once."""
        return list(dict.fromkeys(source.table for part in self.parts for source in part.sources))


@dataclass(frozen=True)
class DefinedColumn:
    """A column of a materialized view.

    Args:
        result: The column of the query.
        source: The column of a source that the column shows; None for an expression.
    """

    result: ResultColumn
    source: Column | None


@dataclass(frozen=True)
class DefiningStatement:
    """A compiled defining SQL.

    Args:
        sql: SQL text for SQLite. Each row of the result begins with the benefactors of the row.
        params: Values of the question marks in the SQL, in order.
        columns: The columns that follow.
    """

    sql: str
    params: tuple[Any, ...]
    columns: tuple[DefinedColumn, ...]


def parse(sql: str) -> DefiningSql:
    """Parse a defining SQL.

    Raises:
        BadRequest: The SQL is not supported.
    """
    tree = dialect.parse_statement(sql, _DefiningSqlDialect())
    parts = tuple(_parse_part(select, union) for select, union in _iter_selects(tree))
    parsed = DefiningSql(parts)
    count = sum(len(each.sources) for each in parts)
    if count > _MAX_SOURCES:
        raise BadRequest(
            f"The definingSQL names {count} tables; it can name at most {_MAX_SOURCES}."
        )
    for node in tree.find_all(exp.Anonymous):
        if str(node.this).upper() == "CURRENT_USER":
            raise BadRequest(
                "CURRENT_USER() is not supported in a definingSQL: all users read the same rows."
            )
    return parsed


def _iter_selects(tree: exp.Expression) -> Iterator[tuple[exp.Select, str]]:
    if type(tree) is exp.Select:
        yield tree, ""
        return
    if type(tree) is not exp.Union or type(tree.expression) is not exp.Select:
        raise BadRequest(
            "A definingSQL consists of SELECT statements that are combined with UNION or UNION "
            "ALL, without parentheses."
        )
    dialect.check_clauses(tree, ("this", "expression", "distinct"))
    yield from _iter_selects(tree.this)
    yield tree.expression, "UNION" if tree.args.get("distinct") else "UNION ALL"


def _parse_part(select: exp.Select, union: str) -> _Part:
    dialect.check_clauses(select, {*dialect.CLAUSES, "joins"})
    first = select.args.get("from_")
    joins = select.args.get("joins") or []
    names = [dialect.get_table_name(None if first is None else first.this)]
    names += [dialect.get_table_name(each.this) for each in joins]
    aliases = Counter((alias or table).upper() for table, alias in names)
    for name, count in aliases.items():
        if count > 1:
            raise BadRequest(f"Not unique table or alias: {name}. Give each table its own alias.")
    sources = [Source(table, frozenset({(alias or table).upper()})) for table, alias in names]
    joined = [_add_join(source, each) for source, each in zip(sources[1:], joins, strict=True)]
    tree = select.copy()
    tree.set("joins", None)
    return _Part(tree, (sources[0], *joined), union)


def _add_join(source: Source, node: exp.Expression) -> Source:
    words = tuple(str(node.args.get(key) or "").upper() for key in ("side", "kind"))
    condition = node.args.get("on")
    others = any(value for key, value in node.args.items() if key not in _JOIN_ARGUMENTS)
    if words not in _JOINS or condition is None or others:
        raise BadRequest(
            f"Not supported: {dialect.write(node)[:200]}. A definingSQL takes [INNER] JOIN, LEFT "
            "[OUTER] JOIN and RIGHT [OUTER] JOIN with an ON condition."
        )
    return replace(source, join=_JOINS[words[0], words[1]], condition=condition)


def compile_sql(
    defining: DefiningSql, tables: Mapping[str, SourceTable], now: int
) -> DefiningStatement:
    """Compile a defining SQL to one statement for SQLite.

    Args:
        defining: The parsed SQL.
        tables: The sources, by their names in `DefiningSql.tables`.
        now: Result of NOW(), milliseconds since the epoch.

    Raises:
        BadRequest: The SQL is not supported, names an unknown or ambiguous column, groups the
            rows of a view, or combines queries with different columns.
    """
    queries: list[Fragment] = []
    result: tuple[DefinedColumn, ...] = ()
    for number, part in enumerate(defining.parts):
        statement, columns = _compile_part(part, tables, now)
        result = _unify_columns(result, columns) if part.union else columns
        queries.append(_wrap(statement, part.union, number))
    whole = join("", queries)
    return DefiningStatement(whole.sql, whole.params, result)


def _compile_part(
    part: _Part, tables: Mapping[str, SourceTable], now: int
) -> tuple[Statement, tuple[DefinedColumn, ...]]:
    scope = JoinedColumns([(each.names, tables[each.table]) for each in part.sources])
    context = QueryContext(
        relation=Relation("", (), scope.join_cells),
        columns=scope.columns,
        table_names=frozenset(),
        caller_id=0,
        now=now,
    )
    source = _compile_from(part, scope, tables, context)
    relation = Relation(source.sql, source.params, scope.cells, has_etags=True)
    tree = joined_columns.resolve_query(part.tree, scope)
    statement = compile_select(tree, replace(context, relation=relation))
    has_benefactors = any(tables[each.table].benefactors for each in part.sources)
    if has_benefactors and not statement.has_rows:
        raise BadRequest(
            "The definingSQL of a materialized view with a view dependency cannot include a GROUP "
            "BY clause, an aggregate function or DISTINCT: who may read a row of the view follows "
            "from single rows of its sources."
        )
    columns = tuple(DefinedColumn(each, scope.get_source(each)) for each in statement.columns)
    return statement, columns


def _compile_from(
    part: _Part, scope: JoinedColumns, tables: Mapping[str, SourceTable], context: QueryContext
) -> Fragment:
    """Compile the joined tables to a subquery with the columns that `select_compiler` reads."""
    fragments = [Fragment(f"(SELECT {scope.select_list} FROM ")]  # noqa: S608 - generated SQL
    for number, source in enumerate(part.sources):
        table = Fragment(f" {source.join} {tables[source.table].name} AS a{number}")
        fragments.append(table)
        if source.condition is not None:
            compiler = Compiler(context, expressions.HANDLERS, conditions.HANDLERS)
            condition = joined_columns.resolve_condition(source.condition, scope)
            if grouping.has_aggregate(condition):
                raise BadRequest("Aggregate functions are not supported in ON.")
            fragments.append(combine(" ON {}", compiler.condition(condition)))
            if compiler.unnested:
                raise BadRequest("UNNEST is not supported in ON.")
    return join("", [*fragments, Fragment(")")])


def _wrap(statement: Statement, union: str, number: int) -> Fragment:
    """Return a query for the benefactors and cells of the rows of a statement."""
    sql, params = statement.with_limit()
    metadata = ["r", "v", "benefactors"] if statement.has_rows else []
    cells = [f"v{position}" for position in range(len(statement.columns))]
    selected = [
        f"{cell} COLLATE {COLLATION}" if each.type in joined_columns.TEXTUAL else cell
        for cell, each in zip(cells, statement.columns, strict=True)
    ]
    benefactors = "benefactors" if statement.has_rows else "''"
    return Fragment(
        f" {union} SELECT {', '.join([benefactors, *selected])} FROM (WITH p{number}"  # noqa: S608 - generated SQL
        f"({', '.join([*metadata, *cells])}) AS ({sql}) SELECT * FROM p{number})",
        params,
    )


def _unify_columns(
    first: tuple[DefinedColumn, ...], second: tuple[DefinedColumn, ...]
) -> tuple[DefinedColumn, ...]:
    """Return the columns of a UNION: names of the first query, sizes that fit both.

    Raises:
        BadRequest: The queries differ in the number or the types of their columns.
    """
    if len(first) != len(second):
        raise BadRequest(
            "The queries of a UNION must select the same number of columns; they select "
            f"{len(first)} and {len(second)}."
        )
    return tuple(map(_unify_column, first, second))


def _unify_column(one: DefinedColumn, two: DefinedColumn) -> DefinedColumn:
    if one.result.type != two.result.type:
        raise BadRequest(
            f"The queries of a UNION must select columns of the same types: '{one.result.name}' "
            f"is of type {one.result.type}, '{two.result.name}' of type {two.result.type}."
        )
    return two if two.result.width > one.result.width else one
