"""JSON in SQLite as MySQL understands it: paths, overlaps, searches, quotes."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from synapse_workflows.local.domain.tables.sql.text import fold, like

_STEP: Final = re.compile(
    r"""\.(?:"((?:[^"\\]|\\.)*)"|([A-Za-z_$][\w$]*)|(\*))|\[\s*(\d{1,9}|\*)\s*\]"""
)


class PathError(ValueError):
    """A JSON path that cannot be read."""


def _loaded(text: Any) -> Any:
    try:
        return json.loads(str(text))
    except ValueError:
        raise PathError("Invalid JSON text.") from None


def _steps(path: str) -> list[str | int | None]:
    """Read a path: keys, positions, and None for `*`."""
    trimmed = path.strip()
    if not trimmed.startswith("$"):
        raise PathError(f"Invalid JSON path expression: {path[:100]}")
    steps: list[str | int | None] = []
    at = 1
    while at < len(trimmed):
        match = _STEP.match(trimmed, at)
        if match is None:
            raise PathError(f"Invalid JSON path expression: {path[:100]}")
        quoted, key, _, index = match.groups()
        if quoted is not None:
            steps.append(str(json.loads(f'"{quoted}"')))
        elif key is not None:
            steps.append(key)
        else:
            steps.append(int(index) if index and index != "*" else None)
        at = match.end()
    return steps


def _found(value: Any, steps: list[str | int | None]) -> list[Any]:
    found = [value]
    for step in steps:
        found = [below for each in found for below in _below(each, step)]
    return found


def _below(value: Any, step: str | int | None) -> list[Any]:
    if step is None:
        return list(value.values() if isinstance(value, dict) else value) if value else []
    if isinstance(step, str):
        return [value[step]] if isinstance(value, dict) and step in value else []
    if isinstance(value, list):
        return [value[step]] if step < len(value) else []
    return [value] if step == 0 else []


def _extract(text: Any, *paths: Any) -> str | None:
    if text is None or any(path is None for path in paths):
        return None
    value = _loaded(text)
    wild = len(paths) > 1 or "*" in str(paths[0])
    found = [each for path in paths for each in _found(value, _steps(str(path)))]
    if not found:
        return None
    return json.dumps(found if wild else found[0], ensure_ascii=False)


def _overlaps(left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    first, second = _loaded(left), _loaded(right)
    if isinstance(first, dict) and isinstance(second, dict):
        return any(key in second and second[key] == value for key, value in first.items())
    firsts, seconds = (each if isinstance(each, list) else [each] for each in (first, second))
    return any(_same(one, other) for one in firsts for other in seconds)


def _same(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Walk through all texts, with the paths to them."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, below in value.items():
            plain = re.fullmatch(r"[A-Za-z_]\w*", key)
            step = key if plain else json.dumps(key, ensure_ascii=False)
            yield from _texts(below, f"{path}.{step}")
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _texts(below, f"{path}[{index}]")


def _search(text: Any, how: Any, pattern: Any) -> str | None:
    if text is None or pattern is None:
        return None
    if fold(str(how)) not in {"one", "all"}:
        raise PathError("JSON_SEARCH takes 'one' or 'all'.")
    found = [path for path, each in _texts(_loaded(text), "$") if like(each, pattern, "\\")]
    if not found:
        return None
    only = fold(str(how)) == "one" or len(found) == 1
    return json.dumps(found[0] if only else found, ensure_ascii=False)


def _quote(text: Any) -> str:
    return json.dumps(text, ensure_ascii=False)


def _unquote(text: Any) -> str | None:
    if text is None or not str(text).startswith('"'):
        return None if text is None else str(text)
    value = _loaded(text)
    return value if isinstance(value, str) else str(text)


def _members(*parts: str) -> str:
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"


#: Name -> number of arguments (-1: any) and function.
FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "json_found": (-1, _extract),
    "json_overlaps": (2, _overlaps),
    "json_search": (3, _search),
    "json_text": (1, _quote),
    "json_text_or_null": (1, lambda text: None if text is None else _quote(text)),
    "json_unquote": (1, _unquote),
    "json_members": (-1, _members),
}
