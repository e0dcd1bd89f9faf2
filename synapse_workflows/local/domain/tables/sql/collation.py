"""How text is compared: as MySQL's collation utf8mb4_0900_ai_ci does.

Neither case nor accents matter, blanks at the end do. Signs come before digits, digits before
letters, whatever their code points. The keys below are compared letter by letter, so two texts
are equal exactly when their keys are.
"""
# ruff: noqa: RUF001 - letters that look alike are what this is about

import re
import string
import unicodedata
from functools import lru_cache
from typing import Final

from synapse_workflows.local.domain.tables.sql.errors import EvaluationError

#: Blanks, punctuation and symbols of ASCII, in the order of the Unicode Collation Algorithm.
_SIGNS: Final = "\t\n\x0b\x0c\r _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"
#: Keys: signs of ASCII from 0x01, other punctuation, other symbols, then digits, numbers that
#: are no digits, and letters. A letter that comes after another one is that one, _LATER, itself.
_PUNCTUATION, _SYMBOLS, _NUMBERS, _LATER = "\x2a", "\x2b", "\x3a", "\uffff"
_ASCII: Final = (
    dict.fromkeys(range(128), "")
    | {ord(sign): chr(place) for place, sign in enumerate(_SIGNS, 1)}
    | {ord(letter): letter.lower() for letter in string.digits + string.ascii_letters}
)
#: Letters that are others with a mark, or two others, though Unicode does not take them apart.
_ALIKE: Final = {
    "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ł": "l", "ŀ": "l", "ґ": "г",
    "ך": "כ", "ם": "מ", "ן": "נ", "ף": "פ", "ץ": "צ",
    **dict(zip("ァィゥェォッャュョヮヵヶ", "アイウエオツヤユヨワカケ", strict=True)),
}  # fmt: skip
#: Letters of their own, though Unicode takes them apart.
_WHOLE: Final = frozenset("йآأإؤئ")
#: Letters of their own, and the letter they come after.
_AFTER: Final = {
    "ı": "i", "ĸ": "q", "ŋ": "n", "ə": "e", "ǝ": "e", "ɔ": "o", "ʃ": "s", "ɣ": "g", "ƕ": "h",
    "ɯ": "u", "ƣ": "g", "ʀ": "r", "ʊ": "u", "ʌ": "v", "ɩ": "i", "ȝ": "y", "ȣ": "o",
    "ђ": "д", "є": "е", "ѕ": "з", "і": "и", "ј": "й", "љ": "л", "њ": "н", "ћ": "т", "џ": "ч",
}  # fmt: skip
#: What a pattern costs grows with its length times that of the text.
_LONGEST_PATTERN: Final = 1000
_BY_NAME: Final = re.compile(r"LATIN SMALL LETTER(?: OPEN| TURNED)? ([A-Z])(?: WITH .*)?")
#: Classes of combining marks that are more than marks: signs of vowels, of no vowel, ...
_HEAVY: Final = frozenset({0, 9, 84, 91, 103, 118, 129, 130, 132})
_TO_KATAKANA: Final = {code: code + 0x60 for code in range(0x3041, 0x3097)}


@lru_cache(maxsize=20_000)
def _key(letter: str) -> str:
    """Give the key of one character that is not in ASCII; empty for what does not count."""
    folded = letter.casefold()
    if folded in _ALIKE:
        return fold(_ALIKE[folded])
    apart = unicodedata.normalize("NFKD", folded).casefold()
    if folded in _WHOLE or (apart[0] == " " and unicodedata.category(letter) == "Sk"):
        return _plain(folded)
    kept = (each for each in apart if unicodedata.combining(each) in _HEAVY)
    return "".join(_ASCII[ord(each)] if each.isascii() else _plain(each) for each in kept)


def _plain(letter: str) -> str:
    """Give the key of a character that has neither case nor marks."""
    letter = letter.translate(_TO_KATAKANA)
    if letter in _ALIKE:
        return fold(_ALIKE[letter])
    kind = unicodedata.category(letter)
    if kind in {"Cc", "Cf"}:
        return ""
    if kind in {"Nd", "No"} and unicodedata.digit(letter, None) is not None:
        return str(unicodedata.digit(letter))
    ahead = {"P": _PUNCTUATION, "Z": _PUNCTUATION, "S": _SYMBOLS, "N": _NUMBERS}.get(kind[0])
    if ahead is not None:
        return ahead + letter
    return f"{after}{_LATER}{letter}" if (after := _after(letter)) else letter


def _after(letter: str) -> str | None:
    """Give the letter that one without a place of its own comes after."""
    name = unicodedata.name(letter, "")
    if letter in _AFTER or not name.startswith("LATIN "):
        return _AFTER.get(letter)
    named = _BY_NAME.fullmatch(name)
    return "z" if named is None else named[1].lower()


def fold(text: str) -> str:
    """Give the key by which a text is compared."""
    if text.isascii():
        return text.translate(_ASCII)
    return "".join(_ASCII[ord(letter)] if letter < "\x80" else _key(letter) for letter in text)


@lru_cache(maxsize=4096)
def _short(text: str) -> str:
    return fold(text)


def collate(left: str, right: str) -> int:
    """Compare two texts: -1, 0 or 1."""
    if left == right:
        return 0
    first, second = _short(left), _short(right)
    return (first > second) - (first < second)


@lru_cache(maxsize=20_000)
def _single(letter: str) -> str:
    """Give one character that is the same for all characters that LIKE takes for equal."""
    key = fold(letter)
    if len(key) == 1:
        return key
    lower = letter.casefold()
    return lower if len(lower) == 1 else letter


def _singles(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text.translate(_ASCII)
    return "".join(map(_single, text))


def _pieces(pattern: str, escape: str, *, exact: bool) -> list[str]:
    """Cut a LIKE pattern at its `%`, into regular expressions."""
    if len(pattern) > _LONGEST_PATTERN:
        raise EvaluationError(f"A pattern has at most {_LONGEST_PATTERN} characters.")
    single = str if exact else _single
    pieces, index = [""], 0
    while index < len(pattern):
        letter = pattern[index]
        if letter == escape and index + 1 < len(pattern):
            index += 1
            pieces[-1] += re.escape(single(pattern[index]))
        elif letter == "%":
            pieces.append("")
        else:
            pieces[-1] += "." if letter == "_" else re.escape(single(letter))
        index += 1
    return pieces


@lru_cache(maxsize=256)
def _compiled(pattern: str, escape: str, exact: bool) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(piece, re.DOTALL) for piece in _pieces(pattern, escape, exact=exact))


def like(
    text: str | None, pattern: str | None, escape: str, *, exact: bool = False
) -> bool | None:
    """Tell whether a text is like a pattern; in time that grows with their lengths, no faster.

    Args:
        text: the text.
        pattern: with `%` for any letters and `_` for one.
        escape: the letter after which these stand for themselves.
        exact: whether case and accents matter.
    """
    if text is None or pattern is None:
        return None
    pieces = _compiled(pattern, escape, exact)
    folded = text if exact else _singles(text)
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
