"""What statements call in SQLite: the collation, functions of one row, functions of many."""

import json
import sqlite3
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from synapse_workflows.local.domain.tables import cell_values
from synapse_workflows.local.domain.tables.sql import (
    sqlite_aggregates,
    sqlite_dates,
    sqlite_json,
    sqlite_numbers,
)
from synapse_workflows.local.domain.tables.sql.collation import collate, fold, like
from synapse_workflows.local.domain.tables.sql.errors import (
    MOST_LETTERS,
    Complaints,
    EvaluationError,
)
from synapse_workflows.local.domain.tables.sql.typed_sql import COLLATION


def _of_text(function: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else function(str(value))


def _same_length(one: Callable[[str], str]) -> Callable[[str], str]:
    """Change letters one by one; what would become several letters stays, as in MySQL."""

    def change(text: str) -> str:
        if text.isascii():
            return one(text)
        changed = ((letter, one(letter)) for letter in text)
        return "".join(new if len(new) == 1 else old for old, new in changed)

    return change


def _lower(letters: str) -> str:
    return "i" if letters == "\u0130" else letters.lower()


def _joined(*parts: Any) -> str | None:
    if any(part is None for part in parts):
        return None
    texts = [str(part) for part in parts]
    if sum(map(len, texts)) > MOST_LETTERS:
        raise EvaluationError(f"CONCAT makes a text of more than {MOST_LETTERS} characters.")
    return "".join(texts)


def _replaced(text: Any, old: Any, new: Any) -> str | None:
    if text is None or old is None or new is None:
        return None
    whole, old, new = str(text), str(old), str(new)
    if not old:
        return whole
    if len(whole) + whole.count(old) * (len(new) - len(old)) > MOST_LETTERS:
        raise EvaluationError(f"REPLACE makes a text of more than {MOST_LETTERS} characters.")
    return whole.replace(old, new)


@lru_cache(maxsize=64)
def _wanted(items: str) -> frozenset[Any]:
    return frozenset(json.loads(items))


def _has_item(cell: Any, items: str) -> bool | None:
    if cell is None:
        return None
    wanted = _wanted(items)
    there = (fold(item) if isinstance(item, str) else item for item in json.loads(cell))
    return any(item in wanted for item in there)


def _has_like(cell: Any, patterns: str, escape: str) -> bool | None:
    if cell is None:
        return None
    items = [item if isinstance(item, str) else json.dumps(item) for item in json.loads(cell)]
    return any(like(item, each, escape) for each in json.loads(patterns) for item in items)


_FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "like_text": (3, lambda text, pattern, escape: like(_str(text), _str(pattern), escape)),
    "text_key": (1, _of_text(fold)),
    "joined_text": (-1, _joined),
    "replaced_text": (3, _replaced),
    "upper_text": (1, _of_text(_same_length(str.upper))),
    "lower_text": (1, _of_text(_same_length(_lower))),
    "trim_text": (1, _of_text(lambda text: text.strip(" "))),
    "crc32": (1, _of_text(lambda text: zlib.crc32(text.encode()))),
    "double_text": (
        1,
        lambda value: None if value is None else cell_values.serialize_double(value),
    ),
    "has_item": (2, _has_item),
    "has_like": (3, _has_like),
    **sqlite_numbers.FUNCTIONS,
    **sqlite_dates.FUNCTIONS,
    **sqlite_json.FUNCTIONS,
}


def _str(value: Any) -> str | None:
    return None if value is None else str(value)


#: Functions of SQLite itself that our statements use; they touch nothing but their arguments.
BUILT_IN: Final = frozenset({"count", "max", "min", "sum", "avg", "coalesce", "nullif", "substr"})
#: Every function that a statement may call.
ALLOWED: Final = BUILT_IN | frozenset(_FUNCTIONS) | frozenset(sqlite_aggregates.AGGREGATES)


def install(connection: sqlite3.Connection) -> Complaints:
    """Give a connection what our statements call.

    Returns:
        Where the words of functions are kept that could not answer.
    """
    complaints = Complaints()
    connection.create_collation(COLLATION, collate)
    for name, (count, function) in _FUNCTIONS.items():
        connection.create_function(name, count, complaints.heard(function), deterministic=True)
    for name, (count, aggregate) in sqlite_aggregates.AGGREGATES.items():
        connection.create_aggregate(name, count, complaints.heard_class(aggregate))
    connection.execute("SELECT 1 FROM json_each('[]')")  # made known before the wall goes up
    return complaints
