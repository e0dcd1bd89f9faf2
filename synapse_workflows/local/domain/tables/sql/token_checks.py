"""Checks of the tokens of a query for syntax errors that sqlglot tolerates."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from sqlglot.tokens import TokenType  # type: ignore[attr-defined]  # not in its __all__

from synapse_workflows.local.errors import BadRequest

#: Tokens that begin a clause, or end a query or a list.
_BOUNDARIES: Final = frozenset(
    {
        TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING,
        TokenType.ORDER_BY, TokenType.LIMIT, TokenType.OFFSET, TokenType.R_PAREN,
        TokenType.COMMA, TokenType.SEMICOLON, TokenType.JOIN, TokenType.ON, TokenType.UNION,
    }
)  # fmt: skip
#: Tokens that are followed by an expression.
_BEFORE_EXPRESSION: Final = frozenset(
    {TokenType.COMMA, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.ORDER_BY}
)
_BEFORE_LIST: Final = frozenset(
    {
        TokenType.SELECT, TokenType.DISTINCT, TokenType.L_PAREN, TokenType.GROUP_BY,
        TokenType.ORDER_BY,
    }
)  # fmt: skip
#: Tokens of struct literals and parameters. Some versions of sqlglot fail to parse them.
_UNSUPPORTED: Final = frozenset({TokenType.L_BRACE, TokenType.R_BRACE, TokenType.COLON})


def check_tokens(tokens: Sequence[Any]) -> None:
    """Check that the tokens form exactly one SELECT statement without missing items.

    Raises:
        BadRequest: The tokens are not exactly one SELECT statement, or an item is missing.
    """
    query = [*tokens]
    if query and query[-1].token_type is TokenType.SEMICOLON:
        query.pop()
    if not query or query[0].token_type is not TokenType.SELECT:
        raise BadRequest(
            "Only one SELECT statement is supported, and the SQL has to begin with SELECT."
        )
    if any(token.token_type is TokenType.SEMICOLON for token in query):
        raise BadRequest("Only one SELECT statement is supported.")
    if query[-1].token_type in _BEFORE_EXPRESSION:
        raise _syntax_error(query[-1])
    for token in query:
        if token.token_type in _UNSUPPORTED:
            raise _syntax_error(token)
    for one, two in pairwise(query):
        _check_pair(one, two)


def _check_pair(one: Any, two: Any) -> None:
    """Check that no item is missing between two adjacent tokens."""
    if one.token_type in _BEFORE_EXPRESSION and two.token_type in _BOUNDARIES:
        raise _syntax_error(one if two.token_type is not TokenType.COMMA else two)
    if one.token_type in _BEFORE_LIST and two.token_type is TokenType.COMMA:
        raise _syntax_error(two)
    if one.token_type is TokenType.NUMBER and _is_adjacent_word(one, two):
        raise _syntax_error(two)


def _is_adjacent_word(number: Any, token: Any) -> bool:
    """Return whether a word follows a number without a space, as in 0x41."""
    return bool(
        token.start == number.end + 1 and (token.text[:1].isalnum() or token.text[:1] == "_")
    )


def _syntax_error(token: Any) -> BadRequest:
    return BadRequest(
        f'Encountered "{token.text[:100]}" at line {token.line}, column {token.col}: '
        "it is unexpected, or a value is missing here."
    )
