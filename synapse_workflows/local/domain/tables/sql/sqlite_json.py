"""JSON functions of SQL statements that SQLite does not have."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

from synapse_workflows.local.domain.tables.sql.collation import fold, like
from synapse_workflows.local.domain.tables.sql.errors import EvaluationError


def _reject_constant(word: str) -> NoReturn:
    raise ValueError(word)


def _load(text: Any) -> Any:
    try:
        return json.loads(str(text), parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise EvaluationError("Invalid JSON text.") from None


def _have_overlap(left: Any, right: Any) -> bool | None:
    """Return whether two arrays share an item, or whether two objects share a member.

    A value that is not an array counts as an array with one item.
    """
    if left is None or right is None:
        return None
    values = [_load(left), _load(right)]
    if all(isinstance(value, dict) for value in values):
        values = [[list(item) for item in value.items()] for value in values]
    first, second = (
        {json.dumps(item, sort_keys=True) for item in (each if isinstance(each, list) else [each])}
        for each in values
    )
    return not first.isdisjoint(second)


def _iter_texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield every text of a JSON value with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, member in value.items():
            name = key if re.fullmatch(r"[A-Za-z_]\w*", key) else json.dumps(key)
            yield from _iter_texts(member, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _iter_texts(item, f"{path}[{index}]")


def _search(text: Any, mode: Any, pattern: Any, escape: Any = "\\") -> str | None:
    """Search texts that match a LIKE pattern. Return their paths as JSON; None if none matches.

    The mode is `one` (first match) or `all`. A single path is a string, several are an array.
    """
    if text is None or pattern is None or mode is None:
        return None
    if fold(str(mode)) not in {"one", "all"}:
        raise EvaluationError(f"JSON_SEARCH takes 'one' or 'all', not '{str(mode)[:100]}'.")
    character = "\\" if escape is None else str(escape)
    if len(character) != 1:
        raise EvaluationError("The escape of JSON_SEARCH must be one character.")
    paths = [
        path
        for path, item in _iter_texts(_load(text), "$")
        if like(item, str(pattern), character, case_sensitive=True)
    ]
    if not paths:
        return None
    is_single = fold(str(mode)) == "one" or len(paths) == 1
    return json.dumps(paths[0] if is_single else paths, ensure_ascii=False)


def _unquote(text: Any) -> str | None:
    """Decode a JSON string. Return text that is not a JSON string unchanged."""
    quoted = None if text is None else str(text)
    if quoted is None or re.fullmatch('".*"', quoted, re.DOTALL) is None:
        return quoted
    return str(_load(quoted))


#: SQL name -> number of arguments (-1 for any number) and Python function.
FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "json_overlaps": (2, _have_overlap),
    "json_search": (-1, _search),
    "json_unquote": (1, _unquote),
}
