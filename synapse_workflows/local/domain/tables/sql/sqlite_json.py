"""JSON in SQLite as MySQL understands it: its values, their order, searches, quotes."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NoReturn

from synapse_workflows.local.domain.tables import cell_values
from synapse_workflows.local.domain.tables.sql import json_paths
from synapse_workflows.local.domain.tables.sql.collation import fold, like
from synapse_workflows.local.domain.tables.sql.errors import MOST_LETTERS, EvaluationError
from synapse_workflows.local.domain.tables.sql.sqlite_numbers import text_number

_MOST_DIGITS: Final = 20
_LONGEST: Final = 1 << 64
#: How keys of values begin that are neither numbers nor text; SQLite sorts bytes after text.
_OBJECT, _ARRAY, _BOOLEAN = b"1", b"2", b"3"


def _no_constant(word: str) -> NoReturn:
    raise ValueError(word)


def _whole(text: str) -> float:
    """Read a whole number; one with more than 64 bits becomes a floating point number."""
    if len(text) > _MOST_DIGITS + 1 or not -_LONGEST // 2 <= int(text) < _LONGEST:
        return float(text)
    return int(text)


def _in_order(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object: the last of equal keys counts, short keys come first."""
    if len(pairs) < 2:  # noqa: PLR2004 - nothing to sort
        return dict(pairs)
    return dict(sorted(dict(pairs).items(), key=_key_order))


def _key_order(pair: tuple[str, Any]) -> tuple[int, bytes]:
    key = pair[0]
    if key.isascii():
        return len(key), key.encode()
    encoded = key.encode("utf-8", "surrogatepass")
    return len(encoded), encoded


_DECODER: Final = json.JSONDecoder(
    parse_int=_whole, parse_constant=_no_constant, object_pairs_hook=_in_order
)


def _loaded(text: Any) -> Any:
    try:
        return _DECODER.decode(str(text))
    except (ValueError, RecursionError):
        raise EvaluationError("Invalid JSON text.") from None


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _extract(text: Any, *paths: Any) -> str | None:
    if text is None or any(path is None for path in paths):
        return None
    read = [json_paths.steps(str(path)) for path in paths]
    value = _loaded(text)
    found = [each for path in read for each in json_paths.values(value, path)]
    if not found:
        return None
    many = len(read) > 1 or any(step.is_wild for step in read[0])
    return _written(found if many else found[0])


def _canonical(value: Any) -> str:
    """Write a value so that equal ones are written alike, 1 and 1.0 too."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_written(k)}:{_canonical(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _written(value)


def _key(text: Any) -> Any:
    """Give what JSON values are compared by: null, numbers, text, objects, arrays, booleans."""
    if text is None:
        return None
    value = _loaded(text)
    if value is None:
        return -math.inf
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return _BOOLEAN + bytes([value])
    if isinstance(value, int | float):
        return value if abs(value) < _LONGEST // 2 else float(value)
    return (_OBJECT if isinstance(value, dict) else _ARRAY) + _canonical(value).encode()


def json_order(left: Any, right: Any) -> int:
    """Compare two JSON values: -1, 0 or 1."""
    first, second = ((_rank(key), key) for key in (_key(left), _key(right)))
    return (first > second) - (first < second)


def _rank(key: Any) -> int:
    return 0 if isinstance(key, int | float) else 1 if isinstance(key, str) else 2


def _number(text: Any) -> Any:
    """Give a JSON value to compute with."""
    if text is None:
        return None
    value = _loaded(text)
    if isinstance(value, str):
        return text_number(value)
    return 0.0 if value is None or isinstance(value, dict | list) else float(value)


def _overlaps(left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    first, second = _loaded(left), _loaded(right)
    if isinstance(first, dict) and isinstance(second, dict):
        return any(
            key in second and _canonical(second[key]) == _canonical(value)
            for key, value in first.items()
        )
    firsts, seconds = (each if isinstance(each, list) else [each] for each in (first, second))
    return not {_canonical(each) for each in firsts}.isdisjoint(map(_canonical, seconds))


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Walk through all texts, with the paths to them."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, below in value.items():
            plain = re.fullmatch(r"[A-Za-z_]\w*", key)
            yield from _texts(below, f"{path}.{key if plain else _written(key)}")
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _texts(below, f"{path}[{index}]")


def _search(text: Any, how: Any, pattern: Any, escape: Any = "\\") -> str | None:
    if text is None or pattern is None or how is None:
        return None
    if fold(str(how)) not in {"one", "all"}:
        raise EvaluationError("JSON_SEARCH takes 'one' or 'all'.")
    letter = "\\" if escape is None or not str(escape) else str(escape)
    if len(letter) != 1:
        raise EvaluationError("The escape of JSON_SEARCH must be one character.")
    wanted = str(pattern)
    found = [
        path for path, each in _texts(_loaded(text), "$") if like(each, wanted, letter, exact=True)
    ]
    if not found:
        return None
    only = fold(str(how)) == "one" or len(found) == 1
    return _written(found[0] if only else found)


def _unquote(text: Any) -> str | None:
    if text is None:
        return None
    quoted = str(text)
    if len(quoted) < len('""') or not (quoted.startswith('"') and quoted.endswith('"')):
        return quoted
    value = _loaded(quoted)
    return value if isinstance(value, str) else quoted


def _plain(text: Any) -> str:
    """Write a value that is JSON already, within other JSON."""
    return "null" if text is None else _written(_loaded(text))


def _double(value: Any) -> str:
    """Write a number of a DOUBLE column within JSON, which has no NaN and no infinity."""
    if value is None or isinstance(value, str) or not math.isfinite(value):
        return "null"
    return cell_values.serialize_double(value)


def _members(*parts: Any) -> str:
    keys, items = parts[::2], parts[1::2]
    if any(key is None for key in keys):
        raise EvaluationError("JSON documents may not contain NULL member names.")
    _check_size(parts)
    pairs = _in_order([(str(key), item) for key, item in zip(keys, items, strict=True)])
    return "{" + ", ".join(f"{_written(key)}: {item}" for key, item in pairs.items()) + "}"


def _items(*items: str) -> str:
    _check_size(items)
    return f"[{', '.join(items)}]"


def _check_size(parts: Iterable[Any]) -> None:
    if sum(len(str(part)) for part in parts) > MOST_LETTERS:
        raise EvaluationError(f"The JSON has more than {MOST_LETTERS} characters.")


#: Name -> number of arguments (-1: any) and function.
FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "json_found": (-1, _extract),
    "json_overlaps": (2, _overlaps),
    "json_search": (-1, _search),
    "json_text": (1, _written),
    "json_text_or_null": (1, lambda text: None if text is None else _written(text)),
    "json_unquote": (1, _unquote),
    "json_members": (-1, _members),
    "json_items": (-1, _items),
    "json_plain": (1, _plain),
    "json_double": (1, _double),
    "json_key": (1, _key),
    "json_number": (1, _number),
}
