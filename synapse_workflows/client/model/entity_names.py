"""Names of entities and of uploaded files."""

import re
from typing import Final

from synapse_workflows.client.errors import SynapseMalformedEntityError

#: Maximum length of a name in characters.
MAX_LENGTH: Final = 256
_INVALID_CHARACTER: Final = re.compile(r"[^a-zA-Z0-9 _\-.,+'()]")


def is_valid_name(name: str) -> bool:
    """Return whether Synapse accepts a name, which it strips of surrounding blanks."""
    stripped = name.strip()
    return 0 < len(stripped) <= MAX_LENGTH and _INVALID_CHARACTER.search(stripped) is None


def require_valid_name(name: str, described: str, advice: str) -> None:
    """Check a name by the rules of Synapse.

    Args:
        name: The name.
        described: What has the name, with its article, for the error message: ``the file``.
        advice: What to do about an invalid name, before a valid name is suggested.

    Raises:
        SynapseMalformedEntityError: The name is empty or too long, or contains an invalid
            character.
    """
    if is_valid_name(name):
        return
    stripped = name.strip()
    invalid = list(dict.fromkeys(_INVALID_CHARACTER.findall(stripped)))
    if invalid:
        reason = f"invalid characters are {', '.join(map(repr, invalid[:5]))}"
    elif stripped:
        reason = f"it has {len(stripped)} characters, more than {MAX_LENGTH}"
    else:
        reason = "a name must not be empty"
    raise SynapseMalformedEntityError(
        f"Invalid name {_shorten(name)!r} of {described}: {reason}. Names may only contain ASCII "
        "letters, numbers, spaces, underscores, hyphens, periods, commas, plus signs, apostrophes "
        f"and parentheses. {advice}{_suggest(stripped)}"
    )


def _suggest(name: str) -> str:
    valid = _INVALID_CHARACTER.sub("_", name)[:MAX_LENGTH].strip()
    return f", for example {_shorten(valid)!r}." if valid else "."


def _shorten(name: str) -> str:
    return name if len(name) <= MAX_LENGTH else f"{name[:100]}..."
