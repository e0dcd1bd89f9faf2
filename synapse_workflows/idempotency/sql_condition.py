"""Parsing and evaluation of SQL conditions for the rows of a source.

The conditions are a subset of Synapse SQL: comparisons of columns with values, combined by AND,
OR, NOT and parentheses. Text is compared as in Synapse, without regard to case and accents.
"""

import operator
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from math import isnan
from types import MappingProxyType
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model.cell_codec import TEXT_TYPES
from synapse_workflows.client.model.column_mapping import suggest_names
from synapse_workflows.client.model.columns import get_column_type
from synapse_workflows.constants import ColumnType
from synapse_workflows.idempotency.row_source import RowSource

#: A condition for the cells of the columns that it uses; the result None is unknown, as in SQL.
Condition = Callable[[tuple[str | None, ...]], bool | None]
#: A value of a column, comparable with the other values of the column.
_Value = str | int | float | Decimal | bool

_TOKEN: Final = re.compile(
    r"""\s*(?: (?P<text>'(?:[^']|'')*') | (?P<name>"(?:[^"]|"")+"|`(?:[^`]|``)+`)
        | (?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?!\w)) | (?P<word>[^\W\d]\w*)
        | (?P<sign><>|!=|<=|>=|[=<>(),]) )\s*""",
    re.VERBOSE,
)
_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {
        "=": operator.eq,
        "<>": operator.ne,
        "!=": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
    }
)
_KEYWORDS: Final = frozenset({"AND", "OR", "NOT", "IN", "LIKE", "BETWEEN", "IS", "NULL"})
_NUMERIC_TYPES: Final = frozenset(
    {
        ColumnType.INTEGER,
        ColumnType.DOUBLE,
        ColumnType.FILEHANDLEID,
        ColumnType.USERID,
        ColumnType.SUBMISSIONID,
        ColumnType.EVALUATIONID,
    }
)
_OTHER_TYPES: Final = frozenset({ColumnType.DATE, ColumnType.BOOLEAN, ColumnType.ENTITYID})
_SUPPORTED_TYPES: Final = TEXT_TYPES | _NUMERIC_TYPES | _OTHER_TYPES
#: Description of the supported conditions, for error messages.
SYNTAX: Final = (
    "Expected comparisons of columns with values, such as centre = 'X', year >= 2020, "
    "centre in ('X', 'Y'), name like 'a%', age between 1 and 5, age is null, combined by and, or, "
    "not and parentheses. Double the quotes in a text, or pass a dictionary: {'centre': value}"
)


class ConditionParser:
    """Recursive-descent parser of a condition.

    Args:
        text: The condition.
        source: The rows, with the columns of the table.

    Attributes:
        indexes: Indexes of the columns that the condition uses, in the source.
    """

    def __init__(self, text: str, source: RowSource) -> None:
        self._text, self._source = text, source
        self._tokens = self._tokenize()
        self._position = 0
        self.indexes: list[int] = []

    def parse(self) -> Condition:
        """Return the condition.

        Raises:
            AirflowFailException: The condition is not supported.
        """
        condition = self._parse_or()
        if self._peek()[0] != "end":
            raise self._error()
        return condition

    def _tokenize(self) -> list[tuple[str, str]]:
        tokens, position = [], 0
        while position < len(self._text):
            match = _TOKEN.match(self._text, position)
            if match is None or match.lastgroup is None:
                raise self._error(self._text[position:])
            kind, text = match.lastgroup, match[match.lastgroup]
            if kind == "word" and text.upper() in _KEYWORDS:
                kind, text = "keyword", text.upper()
            tokens.append((kind, text))
            position = match.end()
        return tokens

    def _error(self, found: str | None = None) -> AirflowFailException:
        found = self._peek()[1] if found is None else found
        return AirflowFailException(
            f"Invalid where={self._text!r}: unexpected {found[:60] or 'end'!r}. {SYNTAX}"
        )

    def _peek(self) -> tuple[str, str]:
        at_end = self._position >= len(self._tokens)
        return ("end", "") if at_end else self._tokens[self._position]

    def _accept(self, *texts: str) -> str | None:
        """Skip the next token if it is one of these keywords or signs; return its text."""
        kind, text = self._peek()
        if kind not in ("keyword", "sign") or text not in texts:
            return None
        self._position += 1
        return text

    def _expect(self, text: str) -> None:
        if self._accept(text) is None:
            raise self._error()

    def _parse_or(self) -> Condition:
        parts = [self._parse_and()]
        while self._accept("OR"):
            parts.append(self._parse_and())
        return parts[0] if len(parts) == 1 else lambda cells: _any(part(cells) for part in parts)

    def _parse_and(self) -> Condition:
        parts = [self._parse_not()]
        while self._accept("AND"):
            parts.append(self._parse_not())
        if len(parts) == 1:
            return parts[0]
        return lambda cells: _negate(_any(_negate(part(cells)) for part in parts))

    def _parse_not(self) -> Condition:
        if self._accept("NOT"):
            condition = self._parse_not()
            return lambda cells: _negate(condition(cells))
        if self._accept("("):
            condition = self._parse_or()
            self._expect(")")
            return condition
        return self._parse_comparison()

    def _parse_comparison(self) -> Condition:
        column = self._parse_column()
        if self._accept("IS"):
            is_negated = self._accept("NOT") is not None
            self._expect("NULL")
            return lambda cells: (column.read(cells) is None) is not is_negated
        is_negated = self._accept("NOT") is not None
        if self._accept("IN"):
            values = self._parse_list(column)
            test: Callable[[Any], bool] = lambda value: value in values  # noqa: E731
        elif self._accept("LIKE"):
            test = self._parse_pattern(column)
        elif self._accept("BETWEEN"):
            low = self._parse_literal(column)
            self._expect("AND")
            high = self._parse_literal(column)
            test = lambda value: low <= value <= high  # noqa: E731
        else:
            sign = None if is_negated else self._accept(*_OPERATORS)
            if sign is None:
                raise self._error()
            compare, literal = _OPERATORS[sign], self._parse_literal(column)
            test = lambda value: compare(value, literal)  # noqa: E731

        def condition(cells: tuple[str | None, ...]) -> bool | None:
            value = column.read(cells)
            return None if value is None else test(value) is not is_negated

        return condition

    def _parse_list(self, column: "_ScopeColumn") -> list[_Value]:
        self._expect("(")
        values = [self._parse_literal(column)]
        while self._accept(","):
            values.append(self._parse_literal(column))
        self._expect(")")
        return values

    def _parse_pattern(self, column: "_ScopeColumn") -> Callable[[Any], bool]:
        kind, text = self._peek()
        if kind != "text" or column.kind not in TEXT_TYPES or "\\" in text:
            raise self._error()
        self._position += 1
        parts = [re.escape(part) for part in re.split("([%_])", _fold(_unquote(text)))]
        pattern = "".join({"%": ".*", "_": "."}.get(part, part) for part in parts)
        regex = re.compile(pattern, re.DOTALL)
        return lambda value: regex.fullmatch(value) is not None

    def _parse_literal(self, column: "_ScopeColumn") -> _Value:
        kind, text = self._peek()
        is_boolean = kind == "word" and text.lower() in ("true", "false")
        if kind not in ("text", "number") and not is_boolean:
            raise self._error()
        if kind == "number" and column.kind in TEXT_TYPES:
            raise AirflowFailException(
                f"Invalid where={self._text!r}: column {column.name!r} contains text. Write the "
                f"value in single quotes: '{text}'"
            )
        self._position += 1
        try:
            return column.parse_literal(_unquote(text) if kind == "text" else text)
        except (ValueError, InvalidOperation):
            raise AirflowFailException(
                f"Invalid where={self._text!r}: {text} is not a value of type {column.kind}, "
                f"the type of the column {column.name!r}"
            ) from None

    def _parse_column(self) -> "_ScopeColumn":
        kind, text = self._peek()
        if kind not in ("name", "word"):
            raise self._error()
        self._position += 1
        name, source = _unquote(text) if kind == "name" else text, self._source
        if name not in source.names:
            raise AirflowFailException(
                f"Invalid where={self._text!r}: {source.label} does not have the column {name!r}, "
                "so it is unknown which of its rows are in the scope. Its columns are "
                f"{list(source.names)}{suggest_names([name], source.names).removesuffix('.')}"
            )
        index = source.names.index(name)
        column_type = get_column_type(source.columns[index])
        if column_type not in _SUPPORTED_TYPES:
            raise AirflowFailException(
                f"Invalid where={self._text!r}: the column {name!r} of type {column_type} cannot "
                "be used. Use columns of text, numbers, dates, booleans or IDs"
            )
        if index not in self.indexes:
            self.indexes.append(index)
        return _ScopeColumn(name, column_type, self.indexes.index(index), index, source)


@dataclass(frozen=True)
class _ScopeColumn:
    """A column that a condition uses.

    Args:
        name: Name of the column.
        kind: Type of the column.
        position: Position among the columns that the condition uses.
        index: Index in the source.
        source: The rows.
    """

    name: str
    kind: ColumnType
    position: int
    index: int
    source: RowSource

    def read(self, cells: tuple[str | None, ...]) -> _Value | None:
        """Return the value that Synapse will store; None for null and for invalid cells."""
        normalizer = self.source.normalizer
        cell = normalizer.normalize(self.index, cells[self.position])
        try:
            value = (
                None
                if cell is None
                else self._parse(normalizer.normalize_strictly(self.index, cell))
            )
        except (ValueError, InvalidOperation):
            return None
        return None if isinstance(value, float) and isnan(value) else value

    def parse_literal(self, text: str) -> _Value:
        """Convert a value of the condition for a comparison with the values of the column."""
        if self.kind in TEXT_TYPES or self.kind in _NUMERIC_TYPES:
            return self._parse(text)
        return self._parse(self.source.normalizer.normalize_strictly(self.index, text))

    def _parse(self, text: str) -> _Value:
        if self.kind in TEXT_TYPES:
            return _fold(text)
        if self.kind is ColumnType.BOOLEAN:
            return text == "true"
        if self.kind is ColumnType.DOUBLE:
            return float(text)
        return Decimal(text.removeprefix("syn"))


def _any(values: Iterable[bool | None]) -> bool | None:
    found = list(values)
    return True if True in found else None if None in found else False


def _negate(value: bool | None) -> bool | None:
    return None if value is None else not value


def _fold(text: str) -> str:
    """Remove case, accents and compatibility forms, which comparisons in Synapse ignore."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char)).casefold()


def _unquote(text: str) -> str:
    quote = text[0]
    return text[1:-1].replace(quote * 2, quote)
