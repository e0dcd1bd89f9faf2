"""Functions that mask the secrets that a process knows. The import is cheap; see `redaction`."""

from collections.abc import Callable
from typing import Final

#: Functions that `redaction` applies to all names, texts and URLs.
MASKERS: Final[list[Callable[[str], str]]] = []


def register_masker(masker: Callable[[str], str]) -> None:
    """Apply a function to all names, texts and URLs that are recorded from now on.

    Args:
        masker: Function that replaces secrets in a text, for example the passwords of connections.
    """
    if masker not in MASKERS:
        MASKERS.append(masker)
