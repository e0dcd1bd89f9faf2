"""Names of entities and of uploaded files."""

import re
from typing import Any, Final

from synapse_workflows.client.errors import SynapseMalformedEntityError

#: Maximum length of a name in characters.
MAX_LENGTH: Final = 256
_INVALID_CHARACTER: Final = re.compile(r"[^a-zA-Z0-9 _\-.,+'()]")


def is_valid_name(name: str) -> bool:
    """Return whether Synapse accepts a name, which it strips of surrounding blanks."""
    return describe_invalid_name(name) is None


def describe_invalid_name(name: Any) -> str | None:
    """Return why Synapse rejects a name; None for a valid name."""
    if not isinstance(name, str):
        return "it is not a string"
    stripped = name.strip()
    invalid = list(dict.fromkeys(_INVALID_CHARACTER.findall(stripped)))
    if invalid:
        return f"invalid characters are {', '.join(map(repr, invalid[:5]))}"
    if len(stripped) > MAX_LENGTH:
        return f"it has {len(stripped)} characters, more than {MAX_LENGTH}"
    return None if stripped else "a name must not be empty"


def require_valid_name(name: Any, described: str, advice: str) -> None:
    """Check a name by the rules of Synapse.

    Args:
        name: The name.
        described: What has the name, with its article, for the error message: ``the file``.
        advice: What to do about an invalid name, before a valid name is suggested.

    Raises:
        SynapseMalformedEntityError: The name is empty or too long, or contains an invalid
            character; or it is not a string.
    """
    reason = describe_invalid_name(name)
    if reason is None:
        return
    raise SynapseMalformedEntityError(
        f"Invalid name {_shorten(name)!r} of {described}: {reason}. Names may only contain ASCII "
        "letters, numbers, spaces, underscores, hyphens, periods, commas, plus signs, apostrophes "
        f"and parentheses. {advice}{_suggest(str(name).strip())}"
    )


def _suggest(name: str) -> str:
    valid = _INVALID_CHARACTER.sub("_", name)[:MAX_LENGTH].strip()
    return f", for example {_shorten(valid)!r}." if valid else "."


def _shorten(name: Any) -> Any:
    return name if not isinstance(name, str) or len(name) <= MAX_LENGTH else f"{name[:100]}..."
