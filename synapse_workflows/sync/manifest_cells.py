"""Cells of a manifest that contain annotations.

One value is written as plain text; several values as `[a,b]`. A text that would be read as another
value is written as a Python literal in double quotes: `"123"`, `"a, b"`.
"""

import ast
import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from synapse_workflows.client.model.annotations import EpochMilliseconds

_LIST: Final = re.compile(r"\[.*\]", re.DOTALL)
#: Commas outside of double quotes.
_COMMA: Final = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')
#: Start of a date. Python also reads other ISO formats, such as the number 20200101.
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BOOLEANS: Final = {"true": True, "false": False}
_FLOATS: Final = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_UNQUOTED: Final = re.compile(r'[\t\r\n"]')
#: Texts that pandas, and so the official client, reads as missing.
_MISSING: Final = frozenset(
    {
        "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
        "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    }
)  # fmt: skip


def parse_cell(cell: str) -> list[Any]:
    """Return the values of an annotation: text, booleans, integers, floats and datetimes.

    Args:
        cell: Text of the cell; empty for no value.
    """
    text = cell.strip()
    if not text:
        return []
    items = _COMMA.split(text[1:-1]) if _LIST.fullmatch(text) else [text]
    return [_parse_value(item.strip()) for item in items]


def format_cell(values: Sequence[Any]) -> str:
    """Return the cell for the values of an annotation, which `parse_cell` reads."""
    if len(values) == 1:
        plain = _format_plain(values[0])
        is_safe = not isinstance(values[0], str) or _is_plain(plain, values[0], parse_cell(plain))
        return plain if is_safe else _quote(plain)
    return f"[{','.join(_format_item(value) for value in values)}]" if values else ""


def has_same_values(cell: str, values: Sequence[Any]) -> bool:
    """Return whether a cell stands for the values of an existing annotation.

    A cell of another client may be ambiguous: it writes the text `2020-01-01` and a date alike.
    Such a cell stands for the existing value.

    Args:
        cell: Text of the cell.
        values: Values of the annotation.
    """
    text = cell.strip()
    plain = [_format_plain(value) for value in values]
    foreign = [f'"{item}"' if "," in item else item for item in plain]
    forms = {plain[0]} if len(plain) == 1 else {f"[{','.join(foreign)}]"}
    return text in {*forms, format_cell(values)} or _as_keys(parse_cell(text)) == _as_keys(values)


def _as_keys(values: Sequence[Any]) -> list[tuple[type, Any]]:
    """Return comparable values with their types: 1, 1.0 and True differ."""
    return [(type(one), str(one) if isinstance(one, float) else one) for one in values]


def _parse_value(text: str) -> Any:
    if _DATE.match(text):
        try:
            return _to_utc(datetime.fromisoformat(text))
        except ValueError:
            pass
    for known in (_BOOLEANS, _FLOATS):
        if text.lower() in known:
            return known[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value if isinstance(value, str | int | float) else text


def _to_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _format_item(value: Any) -> str:
    plain = _format_plain(value)
    if not isinstance(value, str) or ("," not in plain and _is_plain(plain, value, [plain])):
        return plain
    return _quote(plain)


def _is_plain(text: str, value: str, parsed: Sequence[Any]) -> bool:
    """Return whether a text can be written without quotes."""
    if list(parsed) != [value] or text in _MISSING or _UNQUOTED.search(text):
        return False
    for parse in (ast.literal_eval, float):
        try:
            parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return False
    return text == text.strip() and _parse_value(text) == value


def _format_plain(value: Any) -> str:
    if isinstance(value, EpochMilliseconds):
        return str(int(value))
    if isinstance(value, datetime):
        moment = _to_utc(value)
        precision = "milliseconds" if moment.microsecond else "seconds"
        return moment.isoformat(timespec=precision).replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, str) else repr(value)


def _quote(text: str) -> str:
    """Return a Python literal without other double quotes than those around it."""
    escaped = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else None
    literal = text.replace("\\", "\\\\") if escaped is None else escaped
    return '"' + literal.replace('"', "\\x22") + '"'
