"""Paths into JSON as MySQL reads them: `$.key`, `$[0]`, `$[last]`, `$[1 to 2]`, `$.*`, `$**.k`."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from synapse_workflows.local.domain.tables.sql.errors import EvaluationError

_PLACE: Final = r"(?:\d{1,9}|last(?:\s*-\s*\d{1,9})?)"
_MOST_STEPS, _MOST_DEEP = 100, 2
_STEP: Final = re.compile(
    rf"""\s*(?:
        \.\s*"(?P<quoted>(?:[^"\\]|\\.)*)" | \.\s*(?P<key>[A-Za-z_$][\w$]*) | (?P<keys>\.\s*\*)
        | \[\s*(?P<first>{_PLACE})(?:\s+to\s+(?P<last>{_PLACE}))?\s*\] | (?P<items>\[\s*\*\s*\])
        | (?P<deep>\*\*)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Step:
    """One step down: `what` is key, keys, items, places or deep.

    Args:
        what: which kind of step.
        key: the key.
        first: the first place; (0, n) from the start, (1, n) n before the last.
        last: the last place.
    """

    what: str
    key: str = ""
    first: tuple[int, int] = (0, 0)
    last: tuple[int, int] | None = None

    @property
    def is_wild(self) -> bool:
        """Whether it may lead to several values."""
        return self.what in {"keys", "items", "deep"} or self.last is not None


@lru_cache(maxsize=64)
def steps(path: str) -> tuple[Step, ...]:
    """Read a path.

    Raises:
        EvaluationError: it is none.
    """
    trimmed = path.strip()
    found: list[Step] = []
    at = 1
    while at < len(trimmed):
        match = _STEP.match(trimmed, at)
        if match is None:
            break
        found.append(_step(match))
        at = match.end()
    if len(found) > _MOST_STEPS or sum(step.what == "deep" for step in found) > _MOST_DEEP:
        raise EvaluationError(f"The JSON path is too long: {path[:100]}")
    if not trimmed.startswith("$") or at < len(trimmed) or (found and found[-1].what == "deep"):
        raise EvaluationError(f"Invalid JSON path expression: {path[:100]}")
    return tuple(found)


def _step(match: re.Match[str]) -> Step:
    if match["quoted"] is not None:
        return Step("key", _unescaped(match["quoted"]))
    if match["key"] is not None:
        return Step("key", match["key"])
    if match["first"] is not None:
        last = match["last"]
        return Step("places", "", _place(match["first"]), None if last is None else _place(last))
    return Step("keys" if match["keys"] else "items" if match["items"] else "deep")


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        raise EvaluationError(f'Invalid JSON path expression: "{text[:100]}"') from None


def _place(text: str) -> tuple[int, int]:
    if not text.startswith("last"):
        return 0, int(text)
    return 1, int(text[4:].strip(" -\t\r\n") or 0)


def values(value: Any, path: tuple[Step, ...]) -> list[Any]:
    """Give what a path leads to; no value comes twice."""
    found: dict[tuple[Any, ...], Any] = {(): value}
    for step in path:
        found = {
            (*there, name): below
            for there, each in found.items()
            for name, below in _below(each, step)
        }
        if step.what == "deep":
            found = {_flat(there): each for there, each in found.items()}
    return list(found.values())


def _flat(there: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*there[:-1], *there[-1])


def _below(value: Any, step: Step) -> Iterator[tuple[Any, Any]]:
    if step.what == "key":
        if isinstance(value, dict) and step.key in value:
            yield step.key, value[step.key]
    elif step.what == "keys":
        yield from value.items() if isinstance(value, dict) else ()
    elif step.what == "items":
        yield from enumerate(value) if isinstance(value, list) else ()
    elif step.what == "deep":
        yield from _everywhere(value, ())
    else:
        yield from _places(value, step)


def _everywhere(value: Any, there: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    yield there, value
    items: Any = ()
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, below in items:
        yield from _everywhere(below, (*there, name))


def _places(value: Any, step: Step) -> Iterator[tuple[Any, Any]]:
    """Give items of an array; what is no array counts as an array of itself."""
    items = value if isinstance(value, list) else [value]
    first, last = (
        None if place is None else place[1] if place[0] == 0 else len(items) - 1 - place[1]
        for place in (step.first, step.last)
    )
    begin = first or 0
    end = begin if last is None else last
    for place in range(max(begin, 0), min(end, len(items) - 1) + 1):
        yield place, items[place]
