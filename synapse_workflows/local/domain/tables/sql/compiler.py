"""Dispatch from the nodes of a syntax tree to the handlers that compile them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlglot import exp

from synapse_workflows.constants import ColumnType
from synapse_workflows.local.domain.tables.column_types import Column
from synapse_workflows.local.domain.tables.sql.dialect import write
from synapse_workflows.local.domain.tables.sql.typed_sql import Fragment
from synapse_workflows.local.errors import BadRequest

_MAX_COST: Final = 500_000
#: Costs of syntax nodes, proportional to the time that SQLite needs to prepare their SQL.
_CONDITION_COST, _LITERAL_COST, _OTHER_COST = 30, 20, 1


@dataclass(frozen=True)
class Relation:
    """Source of the rows of a query.

    Args:
        sql: Table name, or subquery in parentheses, that has the columns row_id and version.
        params: Values of the question marks in the SQL, in order.
        cells: Column ID -> name of the column in the relation.
        has_etags: Whether the relation has a column etag.
    """

    sql: str
    params: tuple[object, ...]
    cells: Mapping[int, str]
    has_etags: bool = False


@dataclass(frozen=True)
class QueryContext:
    """Context of a query: its rows, its columns and its caller.

    Args:
        relation: Source of the rows.
        columns: Columns of the table, by name.
        table_names: Names by which the query may refer to the table, in upper case.
        caller_id: Result of CURRENT_USER().
        now: Result of NOW(), milliseconds since the epoch.
    """

    relation: Relation
    columns: Mapping[str, Column]
    table_names: frozenset[str]
    caller_id: int
    now: int


@dataclass(frozen=True)
class NodeHandler:
    """Handler of one type of syntax node.

    Args:
        compile: Compiles a node to a fragment.
        arguments: Arguments of the node that `compile` reads. A node with any other argument is
            rejected.
    """

    compile: Callable[["Compiler", Any], Fragment]
    arguments: frozenset[str]


Handlers = Mapping[type[exp.Expression], NodeHandler]


def create_handlers(
    compile_: Callable[["Compiler", Any], Fragment],
    types: Iterable[type[exp.Expression]],
    arguments: Iterable[str] = ("this", "expression"),
) -> dict[type[exp.Expression], NodeHandler]:
    """Return the same handler for several types of nodes."""
    return dict.fromkeys(types, NodeHandler(compile_, frozenset(arguments)))


@dataclass
class Cost:
    """Cost of a statement. An expression with an alias counts each time the alias is used."""

    total: int = 0

    def add(self, amount: int) -> None:
        """Add the cost of a node.

        Raises:
            BadRequest: The statement is too expensive.
        """
        self.total += amount
        if self.total > _MAX_COST:
            raise BadRequest(
                "The query has too many values and conditions. A condition costs "
                f"{_CONDITION_COST}, a literal {_LITERAL_COST}, a column or an item of IN "
                f"{_OTHER_COST}; a query may cost {_MAX_COST}. Use x IN (1, 2, ...) instead of "
                "x = 1 OR x = 2 ..., or split the query."
            )


@dataclass
class Compiler:
    """Compiler of the values and conditions of one query.

    Args:
        context: The rows, columns and caller of the query.
        value_handlers: Handlers of nodes that have a value.
        condition_handlers: Handlers of nodes that are true or false.
        aliases: Alias -> selected expression; empty in clauses where aliases are not visible.
        alias_first: Whether an alias hides a column of the same name.
        unnested: ID of an unnested list column -> alias of the table of its items.
        is_volatile: Whether the result depends on the time or on the caller.
        cost: Cost of the nodes compiled so far.
    """

    context: QueryContext
    value_handlers: Handlers
    condition_handlers: Handlers
    aliases: dict[str, exp.Expression] = field(default_factory=dict)
    alias_first: bool = False
    unnested: dict[int, str] = field(default_factory=dict)
    is_volatile: bool = False
    cost: Cost = field(default_factory=Cost)

    def value(self, node: exp.Expression | None, *, is_listed: bool = False) -> Fragment:
        """Compile a node that has a value.

        Args:
            node: The node.
            is_listed: Whether the node is an item of IN.

        Raises:
            BadRequest: The node is missing, has no value or is not supported.
        """
        is_literal = isinstance(node, exp.Literal) and not is_listed
        self.cost.add(_LITERAL_COST if is_literal else _OTHER_COST)
        if node is None:
            raise BadRequest("The query lacks a value.")
        handler = self.value_handlers.get(type(node))
        if handler is None:
            raise BadRequest(f"Not supported here: {write(node)[:200]}")
        return self._compile(handler, node)

    def condition(self, node: exp.Expression) -> Fragment:
        """Compile a node that is true, false or null.

        Returns:
            A fragment without a type.

        Raises:
            BadRequest: The node is not a condition or is not supported.
        """
        self.cost.add(_CONDITION_COST)
        handler = self.condition_handlers.get(type(node))
        if handler is not None:
            return self._compile(handler, node)
        value = self.value(node)
        is_boolean = value.type == ColumnType.BOOLEAN or isinstance(value.literal, bool)
        if not is_boolean and not value.is_null:
            raise BadRequest(f"Expected a condition instead of {write(node)[:200]}.")
        return Fragment(value.sql, value.params)

    def _compile(self, handler: NodeHandler, node: exp.Expression) -> Fragment:
        """Compile a node. Reject a node with an argument that the handler does not read."""
        if any(value and name not in handler.arguments for name, value in node.args.items()):
            raise BadRequest(f"Not supported: {write(node)[:200]}")
        return handler.compile(self, node)
