"""Case- and accent-insensitive comparison of text."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from synapse_workflows.local.domain.tables.sql.errors import EvaluationError

#: Name of the collation in SQLite.
COLLATION: Final = "synapse"
#: Maximum length of a LIKE pattern in characters. The time to match a pattern is proportional to
#: the length of the pattern times the length of the text.
MAX_PATTERN_LENGTH: Final = 1000


def fold(text: str) -> str:
    """Remove case, accents and Unicode compatibility forms from a text, for comparison."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char)).casefold()


def collate(left: str, right: str) -> int:
    """Compare two texts and return -1, 0 or 1."""
    first, second = fold(left), fold(right)
    return (first > second) - (first < second)


@lru_cache(maxsize=256)
def _like_regex(pattern: str, escape: str, case_sensitive: bool) -> re.Pattern[str]:
    parts = [""]
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            literal = next(characters, escape)
            parts[-1] += re.escape(literal if case_sensitive else fold(literal))
        elif character == "%":
            parts.append("")
        elif character == "_":
            parts[-1] += "."
        else:
            parts[-1] += re.escape(character if case_sensitive else fold(character))
    first, *rest = parts
    if not rest:
        return re.compile(first, re.DOTALL)
    # Atomic groups prevent backtracking: the first match of each part is final.
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(f"{first}{middle}.*{rest[-1]}", re.DOTALL)


def like(
    text: str | None, pattern: str | None, escape: str, *, case_sensitive: bool = False
) -> bool | None:
    """Return whether a text matches a LIKE pattern.

    Args:
        text: The text.
        pattern: `%` matches any characters, `_` matches one character of the folded text.
        escape: Character before a `%` or `_` that is matched literally.
        case_sensitive: Whether case and accents matter.

    Raises:
        EvaluationError: The pattern is too long.
    """
    if text is None or pattern is None:
        return None
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise EvaluationError(
            f"The pattern has {len(pattern)} characters. "
            f"A pattern has at most {MAX_PATTERN_LENGTH} characters."
        )
    regex = _like_regex(pattern, escape, case_sensitive)
    return regex.fullmatch(text if case_sensitive else fold(text)) is not None
