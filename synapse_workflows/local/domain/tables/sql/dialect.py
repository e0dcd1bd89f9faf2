"""SQL dialect of Synapse tables: a small subset of SQL, plus HAS and HAS_LIKE."""

from collections.abc import Callable, Collection
from typing import Any, ClassVar, Final

from sqlglot import ErrorLevel, exp, generator, parser, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType  # type: ignore[attr-defined]  # not in its __all__

from synapse_workflows.local.domain.tables.sql import token_checks
from synapse_workflows.local.errors import BadRequest

_KEYWORDS: Final = (
    "SELECT", "DISTINCT", "FROM", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "OFFSET",
    "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "ESCAPE", "IS", "NULL", "TRUE", "FALSE",
    "AS", "ASC", "DESC", "CASE", "WHEN", "THEN", "ELSE", "END", "INTERVAL", "DIV",
    "<>", "!=", "<=", ">=",
)  # fmt: skip
#: Token types of sqlglot that this dialect reuses for its own keywords.
_HAS: Final = TokenType.OVERLAPS
_HAS_LIKE: Final = TokenType.RLIKE
_SEPARATOR: Final = TokenType.SEPARATOR

#: Maximum length of the SQL of a query in characters: enough for 10,000 IDs in a list.
MAX_SQL_LENGTH: Final = 1 << 19

CLAUSES: Final = frozenset(
    {"expressions", "distinct", "from_", "where", "group", "having", "order", "limit", "offset"}
)


class Has(exp.Expression):
    """`list HAS (items)`."""

    arg_types: ClassVar = {"this": True, "expressions": True}


class HasLike(exp.Expression):
    """`list HAS_LIKE (patterns) [ESCAPE c]`."""

    arg_types: ClassVar = {"this": True, "expressions": True, "escape": False}


class GroupConcat(exp.Expression):
    """`GROUP_CONCAT([DISTINCT] x [ORDER BY ...] [SEPARATOR s])`."""

    arg_types: ClassVar = {"this": True, "distinct": False, "order": False, "separator": False}


class SynapseSql(Dialect):
    """Dialect of sqlglot for Synapse tables."""

    class Tokenizer(tokens.Tokenizer):
        """Tokenizer with the supported keywords. All other words are names."""

        QUOTES: ClassVar = ["'"]
        IDENTIFIERS: ClassVar = ['"', "`"]
        STRING_ESCAPES: ClassVar = ["'"]
        COMMENTS: ClassVar[list[str | tuple[str, str]]] = []
        VAR_SINGLE_TOKENS: ClassVar[set[str]] = set()
        KEYWORDS: ClassVar = {
            **{
                word: kind for word, kind in tokens.Tokenizer.KEYWORDS.items() if word in _KEYWORDS
            },
            "DIV": TokenType.DIV,
            "HAS": _HAS,
            "HAS_LIKE": _HAS_LIKE,
            "SEPARATOR": _SEPARATOR,
        }

    class Parser(parser.Parser):
        """Parser. Every function call is anonymous; the compiler checks its name."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        NO_PAREN_FUNCTION_PARSERS: ClassVar = {
            "CASE": parser.Parser.NO_PAREN_FUNCTION_PARSERS["CASE"]
        }
        FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {
            "GROUP_CONCAT": lambda self: self._parse_group_concat()
        }
        RANGE_PARSERS: ClassVar[dict[TokenType, Callable[..., Any]]] = {
            kind: parse
            for kind, parse in parser.Parser.RANGE_PARSERS.items()
            if kind in {TokenType.BETWEEN, TokenType.IN, TokenType.LIKE, TokenType.IS}
        } | {
            _HAS: lambda self, this: self._parse_has(this),
            _HAS_LIKE: lambda self, this: self._parse_has_like(this),
        }
        FACTOR: ClassVar = {**parser.Parser.FACTOR, TokenType.DIV: exp.IntDiv}

        def _parse_table_part(self, schema: bool = False) -> Any:
            """Parse one part of a table name. The version in `syn123.4` is a part of the name."""
            if self._match(TokenType.NUMBER):
                return exp.Identifier(this=self._prev.text, quoted=False)
            return super()._parse_table_part(schema=schema)

        def _parse_items(self) -> list[Any]:
            self._match_l_paren()
            items = self._parse_csv(self._parse_bitwise)
            self._match_r_paren()
            return items

        def _parse_has(self, this: Any) -> Any:
            return self.validate_expression(Has(this=this, expressions=self._parse_items()))

        def _parse_has_like(self, this: Any) -> Any:
            node = HasLike(this=this, expressions=self._parse_items())
            if self._match(TokenType.ESCAPE):
                node.set("escape", self._parse_primary())
            return self.validate_expression(node)

        def _parse_group_concat(self) -> Any:
            distinct = bool(self._match(TokenType.DISTINCT))
            this = self._parse_bitwise()
            node = GroupConcat(this=this, distinct=distinct, order=self._parse_order())
            if self._match(_SEPARATOR):
                node.set("separator", self._parse_primary())
            return self.validate_expression(node)

    class Generator(generator.Generator):
        """Generator of SQL text for the names of result columns and for combinedSql."""

        NORMALIZE_FUNCTIONS = "upper"
        TRANSFORMS: ClassVar = {
            **generator.Generator.TRANSFORMS,
            Has: lambda self, e: f"{self.sql(e, 'this')} HAS ({self.expressions(e, flat=True)})",
            HasLike: lambda self, e: (
                f"{self.sql(e, 'this')} HAS_LIKE ({self.expressions(e, flat=True)})"
            ),
            GroupConcat: lambda self, e: self.group_concat_sql(e),
            exp.IntDiv: lambda self, e: self.binary(e, "DIV"),
            exp.Mod: lambda self, e: self.binary(e, "%"),
        }

        def group_concat_sql(self, node: exp.Expression) -> str:
            """Return the SQL of GROUP_CONCAT."""
            distinct = "DISTINCT " if node.args.get("distinct") else ""
            separator = self.sql(node, "separator")
            parts = [distinct + self.sql(node, "this"), self.sql(node, "order").strip()]
            parts.append(f"SEPARATOR {separator}" if separator else "")
            return f"GROUP_CONCAT({' '.join(part for part in parts if part)})"


def parse(sql: str) -> exp.Select:
    """Parse a query.

    Raises:
        BadRequest: The SQL is not a query of the supported subset.
    """
    query = parse_statement(sql, SynapseSql())
    if type(query) is not exp.Select:
        raise BadRequest("Only one SELECT statement is supported.")
    check_clauses(query, CLAUSES)
    return query


def parse_statement(sql: str, dialect: SynapseSql) -> exp.Expression:
    """Parse a statement in this dialect or in an extended dialect.

    Raises:
        BadRequest: The SQL is not exactly one statement.
    """
    if len(sql) > MAX_SQL_LENGTH:
        raise BadRequest(
            f"The SQL has {len(sql)} characters, more than {MAX_SQL_LENGTH} characters. "
            "Split the query."
        )
    try:
        query_tokens = dialect.tokenize(sql)
        token_checks.check_tokens(query_tokens)
        parsed = dialect.parser(error_level=ErrorLevel.IMMEDIATE).parse(query_tokens, sql)
    except SqlglotError as error:
        raise BadRequest(_error_message(error)) from None
    except RecursionError:
        raise BadRequest("The SQL is nested too deeply.") from None
    trees: list[Any] = [each for each in parsed if each is not None]
    if len(trees) != 1:
        raise BadRequest("Only one SELECT statement is supported.")
    tree: exp.Expression = trees[0]
    return tree


def check_clauses(query: exp.Expression, clauses: Collection[str]) -> None:
    """Check that a query has only the given clauses.

    Raises:
        BadRequest: The query has another clause, or OFFSET without LIMIT.
    """
    for clause, value in query.args.items():
        if value and clause not in clauses:
            raise BadRequest(f"{clause.rstrip('_').upper()} is not supported.")
    if query.args.get("offset") and not query.args.get("limit"):
        raise BadRequest("OFFSET needs LIMIT.")


def _error_message(error: SqlglotError) -> str:
    errors = getattr(error, "errors", None)
    if not errors:
        return f"The SQL cannot be parsed: {str(error)[:200]}"
    first = errors[0]
    token = first.get("highlight") or "end"
    description = str(first.get("description")).partition(" missing for <class")
    return (
        f'Encountered "{token}" at line {first.get("line")}, column {first.get("col")}: '
        f"{description[0]}{' missing' if description[1] else ''}"
    )


def write(node: exp.Expression) -> str:
    """Return the SQL of a query or of a part of a query in this dialect."""
    return node.sql(dialect=SynapseSql)


def get_table(query: exp.Select) -> tuple[str, str | None]:
    """Return the table of a query, as `syn123` or `syn123.4`, and its alias.

    Raises:
        BadRequest: FROM is missing or does not name exactly one table.
    """
    source = query.args.get("from_")
    return get_table_name(None if source is None else source.this)


def get_table_name(table: exp.Expression | None) -> tuple[str, str | None]:
    """Return the ID of a table in a FROM clause, as `syn123` or `syn123.4`, and its alias.

    Raises:
        BadRequest: The expression is not the name of a table.
    """
    if not isinstance(table, exp.Table) or table.args.get("joins") or not table.this:
        raise BadRequest("A query takes FROM with exactly one table, for example FROM syn123.")
    supported, alias = {"this", "db", "alias"}, table.args.get("alias")
    if any(value for key, value in table.args.items() if key not in supported) or (
        alias is not None and any(value for key, value in alias.args.items() if key != "this")
    ):
        raise BadRequest("FROM takes the name of a table and an optional alias.")
    if not isinstance(table.this, exp.Identifier):
        raise BadRequest("FROM takes the name of a table.")
    return ".".join(part for part in (table.db, table.name) if part), table.alias or None
