"""The grammar: what sqlglot knows, less all that queries of tables cannot say, plus HAS."""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from sqlglot import ErrorLevel, exp, generator, parser, tokens
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from synapse_workflows.local.domain.tables.sql import token_checks
from synapse_workflows.local.errors import BadRequest

_WORDS: Final = (
    "SELECT", "DISTINCT", "FROM", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "OFFSET",
    "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "ESCAPE", "IS", "NULL", "TRUE", "FALSE",
    "AS", "ASC", "DESC", "CASE", "WHEN", "THEN", "ELSE", "END", "INTERVAL", "DIV",
    "<>", "!=", "<=", ">=",
)  # fmt: skip
#: Token types of sqlglot that nothing else of this dialect uses.
_HAS: Final = TokenType.OVERLAPS
_HAS_LIKE: Final = TokenType.RLIKE
_SEPARATOR: Final = TokenType.SEPARATOR

#: Characters that the SQL of a query may have: some ten thousand ids in a list.
MOST_LETTERS: Final = 1 << 19

_PARTS: Final = frozenset(
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
    """SQL of Synapse's tables."""

    class Tokenizer(tokens.Tokenizer):
        """Words that mean something; all others are names."""

        QUOTES: ClassVar = ["'"]
        IDENTIFIERS: ClassVar = ['"', "`"]
        STRING_ESCAPES: ClassVar = ["'"]
        COMMENTS: ClassVar[list[str | tuple[str, str]]] = []
        VAR_SINGLE_TOKENS: ClassVar[set[str]] = set()
        KEYWORDS: ClassVar = {
            **{word: kind for word, kind in tokens.Tokenizer.KEYWORDS.items() if word in _WORDS},
            "DIV": TokenType.DIV,
            "HAS": _HAS,
            "HAS_LIKE": _HAS_LIKE,
            "SEPARATOR": _SEPARATOR,
        }

    class Parser(parser.Parser):
        """Every function is a name with arguments; which are known is decided later."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
        NO_PAREN_FUNCTION_PARSERS: ClassVar = {
            "CASE": parser.Parser.NO_PAREN_FUNCTION_PARSERS["CASE"]
        }
        FUNCTION_PARSERS: ClassVar[dict[str, Callable[..., Any]]] = {
            "GROUP_CONCAT": lambda self: self._parse_joined_texts()
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
            """Take the version of `syn123.4` for a part of the name."""
            if self._match(TokenType.NUMBER):
                return exp.Identifier(this=self._prev.text, quoted=False)
            return super()._parse_table_part(schema=schema)

        def _parse_items(self) -> list[Any]:
            self._match_l_paren()
            found = self._parse_csv(self._parse_bitwise)
            self._match_r_paren()
            return found

        def _parse_has(self, this: Any) -> Any:
            return self.expression(Has(this=this, expressions=self._parse_items()))

        def _parse_has_like(self, this: Any) -> Any:
            found = HasLike(this=this, expressions=self._parse_items())
            if self._match(TokenType.ESCAPE):
                found.set("escape", self._parse_primary())
            return self.expression(found)

        def _parse_joined_texts(self) -> Any:
            distinct = bool(self._match(TokenType.DISTINCT))
            this = self._parse_bitwise()
            found = GroupConcat(this=this, distinct=distinct, order=self._parse_order())
            if self._match(_SEPARATOR):
                found.set("separator", self._parse_primary())
            return self.expression(found)

    class Generator(generator.Generator):
        """Writes queries again, for headers and combinedSql."""

        NORMALIZE_FUNCTIONS = "upper"
        TRANSFORMS: ClassVar = {
            **generator.Generator.TRANSFORMS,
            Has: lambda self, e: f"{self.sql(e, 'this')} HAS ({self.expressions(e, flat=True)})",
            HasLike: lambda self, e: (
                f"{self.sql(e, 'this')} HAS_LIKE ({self.expressions(e, flat=True)})"
            ),
            GroupConcat: lambda self, e: self.joined_texts_sql(e),
            exp.IntDiv: lambda self, e: self.binary(e, "DIV"),
            exp.Mod: lambda self, e: self.binary(e, "%"),
        }

        def joined_texts_sql(self, node: exp.Expression) -> str:
            """Write GROUP_CONCAT."""
            distinct = "DISTINCT " if node.args.get("distinct") else ""
            separator = self.sql(node, "separator")
            parts = [distinct + self.sql(node, "this"), self.sql(node, "order").strip()]
            parts.append(f"SEPARATOR {separator}" if separator else "")
            return f"GROUP_CONCAT({' '.join(part for part in parts if part)})"


def parse(sql: str) -> exp.Select:
    """Read a query.

    Raises:
        BadRequest: it is none of the subset.
    """
    if len(sql) > MOST_LETTERS:
        raise BadRequest(
            f"The SQL has more than {MOST_LETTERS} characters: {len(sql)}. Ask in several queries."
        )
    try:
        grammar = SynapseSql()
        words = grammar.tokenize(sql)
        token_checks.check(words)
        found = grammar.parser(error_level=ErrorLevel.IMMEDIATE).parse(words, sql)
    except SqlglotError as error:
        raise BadRequest(_sentence(error)) from None
    except RecursionError:
        raise BadRequest("The SQL is nested too deeply.") from None
    trees = [each for each in found if each is not None]
    if len(trees) != 1 or type(trees[0]) is not exp.Select:
        raise BadRequest("Only one SELECT statement is supported.")
    query: exp.Select = trees[0]
    for part, value in query.args.items():
        if value and part not in _PARTS:
            raise BadRequest(f"{part.rstrip('_').upper()} is not supported.")
    if query.args.get("offset") and not query.args.get("limit"):
        raise BadRequest("OFFSET needs LIMIT.")
    return query


def _sentence(error: SqlglotError) -> str:
    told = getattr(error, "errors", None)
    if not told:
        return f"The SQL cannot be read: {str(error)[:200]}"
    first = told[0]
    near = first.get("highlight") or "end"
    told = str(first.get("description")).partition(" missing for <class")
    return (
        f'Encountered "{near}" at line {first.get("line")}, column {first.get("col")}: '
        f"{told[0]}{' missing' if told[1] else ''}"
    )


def write(node: exp.Expression) -> str:
    """Write a query, or a part of one, as the caller would."""
    return node.sql(dialect=SynapseSql)


def table_of(query: exp.Select) -> tuple[str, str | None]:
    """Give what a query is from, as `syn123` or `syn123.4`, and its alias.

    Raises:
        BadRequest: it is from nothing, from several tables, or from something else.
    """
    source = query.args.get("from_")
    table = None if source is None else source.this
    if not isinstance(table, exp.Table) or table.args.get("joins") or not table.this:
        raise BadRequest("A query must have FROM with exactly one table, as: FROM syn123")
    known, alias = {"this", "db", "alias"}, table.args.get("alias")
    if any(value for key, value in table.args.items() if key not in known) or (
        alias is not None and any(value for key, value in alias.args.items() if key != "this")
    ):
        raise BadRequest("FROM must name a table and nothing else.")
    if not isinstance(table.this, exp.Identifier):
        raise BadRequest("FROM must name a table.")
    return ".".join(part for part in (table.db, table.name) if part), table.alias or None
