"""Parameters of a task, and the configuration of its run, in the description of an Activity.

Each of the two is one line with a JSON object. Names are sorted, so that equal parameters have
equal lines.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.client.core.redaction import (
    REDACTED,
    has_secret_name,
    redact_name,
    redact_text,
    redact_tokens,
)

#: Prefixes of lines in the description of an Activity that contain a JSON object: the parameters
#: of the task, and the configuration (`conf`) of the run.
PARAMETERS_PREFIX: Final = "Parameters: "
CONF_PREFIX: Final = "Run conf: "
#: Maximum number of characters of a value, and of the JSON of all values.
_MAX_VALUE: Final = 500
_MAX_TOTAL: Final = 8_000
#: Name of the item that says how many parameters are omitted, and of text that is not JSON.
_OMITTED: Final = "..."
#: What Airflow shows in place of a secret.
_MASKED: Final = "***"
#: Maximum depth of nested values.
_MAX_DEPTH: Final = 20
#: Line breaks that JSON does not escape.
_LINE_BREAKS: Final = str.maketrans({char: f"\\u{ord(char):04x}" for char in "\x85\u2028\u2029"})


def format_parameters(prefix: str, values: Mapping[str, Any]) -> str | None:
    """Return the line of parameters; None without parameters.

    A long value is truncated, and says how long it was. If all values are too long, the last ones
    are omitted, and the number of omitted ones is the item `...`.

    Args:
        prefix: `PARAMETERS_PREFIX` or `CONF_PREFIX`.
        values: Values by name. Values that JSON does not have are converted to text. Secrets in
            URLs and texts are removed.
    """
    kept: dict[str, Any] = {}
    total = 0
    names = sorted(values, key=str)
    for number, name in enumerate(names):
        key, value = redact_text(str(name)), _limit(_redact_item(name, values[name]))
        total += len(_dump({key: value}))
        if total > _MAX_TOTAL:
            kept[_OMITTED] = f"{len(names) - number} more are not listed"
            break
        kept[key] = value
    return f"{prefix}{_dump(kept)}" if kept else None


def parse_parameters(activity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that the description of an Activity lists.

    Returns:
        Name -> value; the names of the configuration of the run start with `conf.`. Text that is
        not a JSON object is the value of `...`.
    """
    found: dict[str, Any] = {}
    for line in (activity.get("description") or "").splitlines():
        for prefix, scope in ((PARAMETERS_PREFIX, ""), (CONF_PREFIX, "conf.")):
            if line.startswith(prefix):
                text = line.removeprefix(prefix)
                values = _parse_object(text) or {_OMITTED: text}
                found.update((f"{scope}{name}", value) for name, value in values.items())
    return found


def redact_description(text: str) -> str:
    """Return the description of an Activity without secrets.

    Parameters stay valid JSON: each value is redacted alone.
    """
    return "\n".join(_redact_line(line) for line in redact_tokens(text).split("\n"))


def _redact_line(line: str) -> str:
    for prefix in (PARAMETERS_PREFIX, CONF_PREFIX):
        values = _parse_object(line.removeprefix(prefix)) if line.startswith(prefix) else {}
        if values:
            return f"{prefix}{_dump(_redact_value(values))}"
    return redact_text(line)


def _parse_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _redact_item(name: Any, value: Any, depth: int = 0) -> Any:
    """Return the value of a parameter, redacted if the name is that of a secret."""
    is_secret = has_secret_name(str(name)) and not isinstance(value, bool | None)
    return REDACTED if is_secret and value not in ("", _MASKED) else _redact_value(value, depth)


def _redact_value(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON has it, with all texts redacted."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return {
            redact_text(str(key)): _redact_item(key, one, depth + 1) for key, one in value.items()
        }
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_redact_value(one, depth + 1) for one in items]
    return redact_name(str(value))


def _limit(value: Any) -> Any:
    text = value if isinstance(value, str) else _dump(value)
    if len(text) <= _MAX_VALUE:
        return value
    return f"{text[:_MAX_VALUE]}... ({len(text)} characters)"


def _dump(value: Any) -> str:
    """Return JSON on one line, also for `str.splitlines`."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True).translate(_LINE_BREAKS)
