"""Lenient parser for flat JSON arrays, such as the text of a Python list.

Clients send `str(["a", "b"])`, which is `['a', 'b']`. Strings may be in single quotes or without
quotes, and `True` and `None` may be written as in Python.
"""

import json
import re
from typing import Any, Final

_ITEM: Final = re.compile(
    r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s,'"\[\]{}][^,'"\[\]{}]*))\s*""",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED_CHARACTERS: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_KEYWORDS: Final = {"true": True, "false": False, "null": None, "none": None}
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}")


def parse_array(text: str) -> list[Any] | None:
    """Parse a flat array in the lenient form; return None if the text has another form."""
    inner = text.strip()
    if not (inner.startswith("[") and inner.endswith("]")):
        return None
    inner = inner[1:-1]
    items: list[Any] = []
    at = 0
    while at < len(inner) or items:
        match = _ITEM.match(inner, at)
        if match is None:
            return None if inner.strip() else []
        items.append(_parse_item(match))
        at = match.end()
        if at == len(inner):
            return items
        if inner[at] != ",":
            return None
        at += 1
    return items


def _parse_item(match: re.Match[str]) -> Any:
    double_quoted, single_quoted, unquoted = match.groups()
    if unquoted is None:
        quoted = double_quoted if single_quoted is None else single_quoted
        return _ESCAPE.sub(_unescape, quoted)
    word = unquoted.strip()
    if word.lower() in _KEYWORDS:
        return _KEYWORDS[word.lower()]
    return int(word) if _INTEGER.fullmatch(word) else word


def _unescape(match: re.Match[str]) -> str:
    escaped = match[1]
    if len(escaped) > 1:
        return str(json.loads(f'"\\{escaped}"'))
    return _ESCAPED_CHARACTERS.get(escaped, escaped)
