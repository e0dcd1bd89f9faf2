"""What the parser would read leniently, though it is no SQL: told from the words alone."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from sqlglot.tokenizer_core import TokenType

from synapse_workflows.local.errors import BadRequest

#: What begins a clause, or ends the query or a list.
_AHEAD: Final = frozenset(
    {
        TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING,
        TokenType.ORDER_BY, TokenType.LIMIT, TokenType.OFFSET, TokenType.R_PAREN,
        TokenType.COMMA, TokenType.SEMICOLON,
    }
)  # fmt: skip
#: After these, something has to come before the next clause.
_NEEDY: Final = frozenset(
    {TokenType.COMMA, TokenType.WHERE, TokenType.GROUP_BY, TokenType.HAVING, TokenType.ORDER_BY}
)
_BEFORE_LISTS: Final = frozenset(
    {
        TokenType.SELECT, TokenType.DISTINCT, TokenType.L_PAREN, TokenType.GROUP_BY,
        TokenType.ORDER_BY,
    }
)  # fmt: skip


def check(tokens: Sequence[Any]) -> None:
    """Refuse what is no query, or lacks an item of a list.

    Raises:
        BadRequest: it is, or does.
    """
    words = [*tokens]
    if words and words[-1].token_type is TokenType.SEMICOLON:
        words.pop()
    if not words or words[0].token_type is not TokenType.SELECT:
        raise BadRequest(
            "Only one SELECT statement is supported, and the SQL has to begin with SELECT."
        )
    if any(word.token_type is TokenType.SEMICOLON for word in words):
        raise BadRequest("Only one SELECT statement is supported.")
    if words[-1].token_type in _NEEDY:
        raise _encountered(words[-1])
    for one, two in pairwise(words):
        if one.token_type in _NEEDY and two.token_type in _AHEAD:
            raise _encountered(one if two.token_type is not TokenType.COMMA else two)
        if one.token_type in _BEFORE_LISTS and two.token_type is TokenType.COMMA:
            raise _encountered(two)
        if one.token_type is TokenType.NUMBER and _goes_on(one, two):
            raise _encountered(two)


def _goes_on(number: Any, word: Any) -> bool:
    """Tell whether a word is written right after a number, as in 0x41."""
    return bool(word.start == number.end + 1 and (word.text[:1].isalnum() or word.text[:1] == "_"))


def _encountered(word: Any) -> BadRequest:
    return BadRequest(
        f'Encountered "{word.text[:100]}" at line {word.line}, column {word.col}: '
        "something is missing, or too much, here."
    )
