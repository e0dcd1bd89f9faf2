"""Lenient JSON parser that accepts what org.json accepts, for example the text of a Python list.

Names and texts may be in single quotes or without quotes, and `True` and `None` may be written as
in Python. Objects and arrays may end with a separator, which is a comma or a semicolon.
"""

import json
import math
import re
from typing import Any, Final

#: Maximum depth of nested objects and arrays.
_MAX_DEPTH: Final = 200
_BLANK: Final = re.compile(r"\s*")
_TEXT: Final = re.compile(
    r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s,;:'"\[\]{}][^,;:'"\[\]{}]*))\s*""",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED_CHARACTERS: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_KEYWORDS: Final = {"true": True, "false": False, "null": None, "none": None}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?")
_NOT_FINITE: Final = frozenset({"nan", "infinity"})


def parse(text: str) -> Any:
    """Parse an object or array in the lenient form.

    Raises:
        ValueError: The text is not lenient JSON, contains NaN or Infinity, or is too deeply
            nested.
    """
    parser = _Parser(text)
    value = parser.parse_value(0)
    if not isinstance(value, dict | list) or parser.at < len(text):
        raise ValueError("not an object or array")
    return value


class _Parser:
    """Recursive descent parser. `at` is the offset of the next non-blank character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0
        self._skip(0)

    def _skip(self, count: int) -> None:
        match = _BLANK.match(self._text, self.at + count)
        self.at = match.end() if match else len(self._text)

    def _take(self, characters: str) -> str:
        """Consume the next character if it is in `characters`. Return it, or else empty text."""
        found = self._text[self.at : self.at + 1]
        if not found or found not in characters:
            return ""
        self._skip(1)
        return found

    def parse_value(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise ValueError("too deeply nested")
        opened = self._take("[{")
        if opened == "[":
            return self._parse_array(depth + 1)
        if opened:
            return self._parse_object(depth + 1)
        return _parse_scalar(self._match_text())

    def _match_text(self) -> re.Match[str]:
        match = _TEXT.match(self._text, self.at)
        if match is None:
            raise ValueError("a value is missing")
        self.at = match.end()
        return match

    def _parse_array(self, depth: int) -> list[Any]:
        items: list[Any] = []
        while not self._take("]"):
            items.append(self.parse_value(depth))
            self._end_item("]")
        return items

    def _parse_object(self, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not self._take("}"):
            name = _get_text(self._match_text())
            if not self._take(":"):
                raise ValueError("a colon is missing")
            items[name] = self.parse_value(depth)
            self._end_item("}")
        return items

    def _end_item(self, closing: str) -> None:
        is_last = self._text[self.at : self.at + 1] == closing
        if not is_last and not self._take(",;"):
            raise ValueError("a separator is missing")


def _get_text(match: re.Match[str]) -> str:
    double_quoted, single_quoted, unquoted = match.groups()
    if unquoted is not None:
        return str(unquoted).strip()
    return _ESCAPE.sub(_unescape, double_quoted if single_quoted is None else single_quoted)


def _parse_scalar(match: re.Match[str]) -> Any:
    word = _get_text(match)
    if match[3] is None:
        return word
    if word.lstrip("+-").lower() in _NOT_FINITE:
        raise ValueError(f"{word} is not a JSON value")
    if word.lower() in _KEYWORDS:
        return _KEYWORDS[word.lower()]
    if _INTEGER.fullmatch(word):
        return int(word)
    return float(word) if _DECIMAL.fullmatch(word) and math.isfinite(float(word)) else word


def _unescape(match: re.Match[str]) -> str:
    escaped = match[1]
    if len(escaped) > 1:
        return str(json.loads(f'"\\{escaped}"'))
    return _ESCAPED_CHARACTERS.get(escaped, escaped)
