"""How text is compared: without regard to case and accents, as MySQL's ai_ci collations do."""

import re
import unicodedata
from functools import lru_cache


def fold(text: str) -> str:
    """Give the form in which texts are compared: small letters without accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def collate(left: str, right: str) -> int:
    """Compare two texts: -1, 0 or 1."""
    first, second = fold(left), fold(right)
    return (first > second) - (first < second)


def _pieces(pattern: str, escape: str) -> list[str]:
    """Cut a LIKE pattern at its `%`, into regular expressions."""
    pieces, index = [""], 0
    while index < len(pattern):
        letter = pattern[index]
        if letter == escape and index + 1 < len(pattern):
            index += 1
            pieces[-1] += re.escape(fold(pattern[index]))
        elif letter == "%":
            pieces.append("")
        else:
            pieces[-1] += "." if letter == "_" else re.escape(fold(letter))
        index += 1
    return pieces


@lru_cache(maxsize=256)
def _compiled(pattern: str, escape: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(piece, re.DOTALL) for piece in _pieces(pattern, escape))


def like(text: str | None, pattern: str | None, escape: str) -> bool | None:
    """Tell whether a text is like a pattern; in time that grows with their lengths, no faster."""
    if text is None or pattern is None:
        return None
    pieces = _compiled(pattern, escape)
    folded = fold(text)
    if len(pieces) == 1:
        return pieces[0].fullmatch(folded) is not None
    found = pieces[0].match(folded)
    for piece in pieces[1:-1]:
        found = None if found is None else piece.search(folded, found.end())
    if found is None:
        return False
    begin, last = found.end(), pieces[-1]
    return any(last.fullmatch(folded, at) for at in _tails(folded, last, begin))


def _tails(text: str, last: re.Pattern[str], begin: int) -> range:
    """Give where the last piece can begin: it has a fixed length."""
    length = len(re.sub(r"\\(.)", r"\1", last.pattern, flags=re.DOTALL))
    start = len(text) - length
    return range(start, start + 1) if start >= begin else range(0)
