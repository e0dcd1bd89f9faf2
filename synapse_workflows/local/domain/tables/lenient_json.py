"""JSON arrays as Synapse's parser takes them: strict JSON, and the looser form that clients send.

Python's `str(["a", "b"])` gives `['a', 'b']`: texts may be in single quotes, `True` and `None`
may be written as in Python, and a bare word is a text.
"""

import json
import re
from typing import Any, Final

_ITEM: Final = re.compile(
    r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s,'"\[\]{}][^,'"\[\]{}]*))\s*""",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_LETTERS: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_WORDS: Final = {"true": True, "false": False, "null": None, "none": None}
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,40}")


def parse_array(text: str) -> list[Any] | None:
    """Read a flat array in the looser form; None when it is none."""
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
        items.append(_item(match))
        at = match.end()
        if at == len(inner):
            return items
        if inner[at] != ",":
            return None
        at += 1
    return items


def _item(match: re.Match[str]) -> Any:
    double, single, bare = match.groups()
    if bare is None:
        return _ESCAPE.sub(_letter, double if single is None else single)
    word = bare.strip()
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    return int(word) if _WHOLE.fullmatch(word) else word


def _letter(match: re.Match[str]) -> str:
    letter = match[1]
    if len(letter) > 1:
        return str(json.loads(f'"\\{letter}"'))
    return _LETTERS.get(letter, letter)
