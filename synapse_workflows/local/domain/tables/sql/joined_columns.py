"""Columns of joined tables: unique names and cells, and the resolution of names in a query."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlglot import exp

from synapse_workflows.constants import ROW_ETAG, ROW_ID, ROW_VERSION, ColumnType
from synapse_workflows.local.domain.tables.column_types import (
    LIST_TYPES,
    TEXT_TYPES,
    Column,
    parse_column,
)
from synapse_workflows.local.domain.tables.sql.dialect import write
from synapse_workflows.local.domain.tables.sql.select_compiler import ResultColumn
from synapse_workflows.local.errors import BadRequest

#: Column types whose cells are text.
TEXTUAL: Final = TEXT_TYPES | LIST_TYPES | {ColumnType.JSON}
#: Cells of every source table -> the metadata columns that queries may name.
_METADATA: Final[Mapping[str, Column]] = {
    "row_id": parse_column(0, {"name": ROW_ID, "columnType": ColumnType.INTEGER}),
    "version": parse_column(0, {"name": ROW_VERSION, "columnType": ColumnType.INTEGER}),
    "etag": parse_column(
        0, {"name": ROW_ETAG, "columnType": ColumnType.STRING, "maximumSize": 36}
    ),
}


@dataclass(frozen=True)
class SourceTable:
    """A table that a defining SQL reads.

    The SQLite table has the columns row_id, version, etag, benefactors, and c0, c1, ... for the
    columns of the schema.

    Args:
        name: Name of the SQLite table.
        schema: The columns.
        has_etags: Whether its rows have etags.
        benefactors: SQL of the benefactors of a row of the source; empty if every caller who may
            query the source can read all rows.
    """

    name: str
    schema: Sequence[Column]
    has_etags: bool
    benefactors: str = ""


@dataclass(frozen=True)
class _JoinedColumn:
    """A column of one of the joined tables.

    Args:
        names: Names that may qualify the column, in upper case.
        column: The column.
        cell: Cell of the column in the FROM clause, for example `a0.c1`.
        key: ID of the column among the joined columns.
        is_metadata: Whether the column belongs to the row and not to the schema.
    """

    names: frozenset[str]
    column: Column
    cell: str
    key: int
    is_metadata: bool


class JoinedColumns:
    """The columns of joined tables.

    Args:
        sources: Names and table of each source, in the order of the FROM clause.

    Attributes:
        columns: The columns by unique name: the name of a column, qualified if several tables
            have a column of this name. Their IDs are unique.
        cells: ID of a column -> cell in the result of `select_list`.
        join_cells: ID of a column -> cell in the FROM clause.
        select_list: SQL of the selected cells of the joined tables.
    """

    def __init__(self, sources: Sequence[tuple[frozenset[str], SourceTable]]) -> None:
        self._all = _list_columns(sources)
        self._unique_names = _create_unique_names(self._all)
        self.columns = {
            name: replace(each.column, id=each.key, name=name)
            for name, each in zip(self._unique_names, self._all, strict=True)
        }
        self.cells = {each.key: f"m{each.key}" for each in self._all}
        self.join_cells = {each.key: each.cell for each in self._all}
        self.select_list = ", ".join(
            [
                "a0.row_id AS row_id",
                "0 AS version",
                f"{_build_benefactors(sources)} AS etag",
                *(f"{each.cell} AS m{each.key}" for each in self._all),
            ]
        )

    def get_source(self, result: ResultColumn) -> Column | None:
        """Return the column that a column of the result shows; None for an expression."""
        return None if result.column_id is None else self._all[result.column_id].column

    def find(self, node: exp.Column) -> str | None:
        """Return the unique name of the column that a node names; None for an unknown name.

        Raises:
            BadRequest: Several tables have a column of this name, or no table has this metadata
                column.
        """
        name = node.name.upper() if node.name.upper() in _SYSTEM_NAMES else node.name
        found = [each.key for each in self._qualified(node.table) if each.column.name == name]
        if len(found) > 1:
            raise BadRequest(
                f"Column '{name}' is ambiguous: several tables have it. Qualify it with the name "
                "or the alias of a table."
            )
        if not found and name in _SYSTEM_NAMES:
            raise BadRequest(f"Unknown column {write(node)}")
        return self._unique_names[found[0]] if found else None

    def expand_star(self, node: exp.Expression) -> list[exp.Expression]:
        """Return the columns of `*` or `table.*`.

        Raises:
            BadRequest: The query has no such table.
        """
        table = node.table if isinstance(node, exp.Column) else ""
        found = [each for each in self._qualified(table) if not each.is_metadata]
        if table and not any(table.upper() in each.names for each in self._all):
            raise BadRequest(f"Unknown table in {write(node)}")
        return [
            _alias(_create_column(self._unique_names[each.key]), each.column.name)
            for each in found
        ]

    def _qualified(self, table: str) -> list[_JoinedColumn]:
        return [each for each in self._all if not table or table.upper() in each.names]


_SYSTEM_NAMES: Final = frozenset(column.name for column in _METADATA.values())


def _list_columns(
    sources: Sequence[tuple[frozenset[str], SourceTable]],
) -> list[_JoinedColumn]:
    found: list[_JoinedColumn] = []
    for number, (names, table) in enumerate(sources):
        cells = [(f"c{position}", column) for position, column in enumerate(table.schema)]
        metadata = [item for item in _METADATA.items() if item[0] != "etag" or table.has_etags]
        for cell, column in (*metadata, *cells):
            is_metadata = cell in _METADATA
            found.append(
                _JoinedColumn(names, column, f"a{number}.{cell}", len(found), is_metadata)
            )
    return found


def _create_unique_names(joined: Sequence[_JoinedColumn]) -> list[str]:
    """Return a unique name for each column, which error messages can show."""
    counts = Counter(each.column.name for each in joined)
    names = {name for name, count in counts.items() if count == 1}
    found: list[str] = []
    for each in joined:
        name = each.column.name
        if counts[name] > 1:
            name = f"{min(each.names)}.{name}"
            while name in names:
                name += "'"
            names.add(name)
        found.append(name)
    return found


def _build_benefactors(sources: Sequence[tuple[frozenset[str], SourceTable]]) -> str:
    """Return the SQL of the benefactors of a joined row, separated by blanks."""
    cells = [
        f"coalesce(a{number}.benefactors, '')"
        for number, (_, table) in enumerate(sources)
        if table.benefactors
    ]
    return " || ' ' || ".join(cells) or "''"


def resolve_condition(node: exp.Expression, scope: JoinedColumns) -> exp.Expression:
    """Return a copy of a condition with the unique names of its columns.

    Unknown names are kept; the compiler rejects them.

    Raises:
        BadRequest: A name is ambiguous.
    """
    return _resolve(node.copy(), scope, set())


def resolve_query(tree: exp.Select, scope: JoinedColumns) -> exp.Select:
    """Return a copy of a query with the unique names of its columns, and with `*` expanded.

    Aliases of the query keep their names, and so do unknown names, which the compiler rejects.

    Raises:
        BadRequest: A name is ambiguous.
    """
    resolved = tree.copy()
    items = [item for each in resolved.expressions for item in _resolve_item(each, scope)]
    resolved.set("expressions", items)
    for clause in ("where", "group", "having", "order"):
        part = resolved.args.get(clause)
        if part is not None:
            hidden = {each.alias for each in items} if clause in {"having", "order"} else set()
            resolved.set(clause, _resolve(part, scope, hidden))
    return resolved


def _resolve_item(node: exp.Expression, scope: JoinedColumns) -> list[exp.Expression]:
    """Resolve an item of the select list. The item keeps its name by an alias."""
    star = node.this if isinstance(node, exp.Column) else node
    if isinstance(star, exp.Star):
        return scope.expand_star(node)
    resolved = _resolve(node, scope, set())
    if isinstance(node, exp.Column):
        return [_alias(resolved, node.name)]
    return [resolved if isinstance(node, exp.Alias) else _alias(resolved, write(node))]


def _resolve(node: exp.Expression, scope: JoinedColumns, hidden: set[str]) -> exp.Expression:
    """Replace the names of columns, except the unqualified names in `hidden`."""

    def replace_name(each: exp.Expression) -> exp.Expression:
        if not isinstance(each, exp.Column) or not isinstance(each.this, exp.Identifier):
            return each
        if not each.table and each.name in hidden:
            return each
        name = scope.find(each)
        return each if name is None else _create_column(name)

    return node.transform(replace_name)


def _create_column(name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True))


def _alias(node: exp.Expression, name: str) -> exp.Alias:
    return exp.Alias(this=node, alias=exp.to_identifier(name, quoted=True))
