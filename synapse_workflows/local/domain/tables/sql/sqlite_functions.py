"""Registration of the collation and the SQL functions that compiled statements use."""

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
from synapse_workflows.local.domain.tables.sql.collation import COLLATION, collate, fold, like
from synapse_workflows.local.domain.tables.sql.errors import ErrorRecorder


def _apply_to_text(function: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else function(str(value))


def _to_text(value: Any) -> str | None:
    return None if value is None else str(value)


@lru_cache(maxsize=64)
def _load_items(items: str) -> frozenset[Any]:
    return frozenset(json.loads(items))


def _has_item(cell: Any, items: str) -> bool | None:
    if cell is None:
        return None
    folded = (fold(item) if isinstance(item, str) else item for item in json.loads(cell))
    return not _load_items(items).isdisjoint(folded)


def _has_like(cell: Any, patterns: str, escape: str) -> bool | None:
    if cell is None:
        return None
    items = [item if isinstance(item, str) else json.dumps(item) for item in json.loads(cell)]
    return any(like(item, each, escape) for each in json.loads(patterns) for item in items)


_FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "like_text": (
        3,
        lambda text, pattern, escape: like(_to_text(text), _to_text(pattern), escape),
    ),
    "text_key": (1, _apply_to_text(fold)),
    "upper_text": (1, _apply_to_text(str.upper)),
    "lower_text": (1, _apply_to_text(str.lower)),
    "crc32": (1, _apply_to_text(lambda text: zlib.crc32(text.encode()))),
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
#: Built-in SQLite functions that compiled statements use. They read only their arguments.
_BUILT_IN: Final = frozenset(
    {
        "->", "avg", "coalesce", "count", "json", "json_array", "json_extract",
        "json_group_array", "json_object", "json_quote", "max", "min", "nullif", "replace",
        "round", "substr", "sum", "trim",
    }
)  # fmt: skip
#: Every function that a statement may call.
ALLOWED_FUNCTIONS: Final = (
    _BUILT_IN | frozenset(_FUNCTIONS) | frozenset(sqlite_aggregates.AGGREGATES)
)


def install(connection: sqlite3.Connection) -> ErrorRecorder:
    """Add the collation and the functions to a connection.

    Returns:
        The recorder of the error messages of these functions.
    """
    recorder = ErrorRecorder()
    connection.create_collation(COLLATION, collate)
    for name, (count, function) in _FUNCTIONS.items():
        connection.create_function(name, count, recorder.wrap(function), deterministic=True)
    for name, (count, aggregate) in sqlite_aggregates.AGGREGATES.items():
        connection.create_aggregate(name, count, recorder.wrap_aggregate(aggregate))
    # SQLite registers json_each at the first use. The query sandbox forbids this registration,
    # so use json_each once before.
    connection.execute("SELECT 1 FROM json_each('[]')")
    return recorder
