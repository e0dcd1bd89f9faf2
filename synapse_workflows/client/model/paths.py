"""Conversion between local paths and URLs."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def is_url(value: object) -> bool:
    """Return whether a value is a URL string: ``https://...``, ``file:///...``, ``s3://...``."""
    if not isinstance(value, str) or _DRIVE.match(value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.path if parts.scheme == "file" else parts.scheme and parts.netloc)


def looks_like_url(text: str) -> bool:
    """Return whether a text starts with a scheme; one slash suffices, as in `Path("s3://a")`."""
    return _SCHEME.match(text) is not None


def to_url(location: str) -> str:
    """Return a URL unchanged and convert a path to an absolute ``file://`` URL."""
    return location if is_url(location) else Path(expand_path(location)).absolute().as_uri()


def expand_path(path: str | os.PathLike[str]) -> str:
    """Expand ``~`` and environment variables in a path.

    Raises:
        ValueError: The path starts with ``~``, and this user has no home directory.
    """
    text = os.path.expanduser(os.fspath(path))  # noqa: PTH111 - text in and out
    if text == "~" or text.startswith("~/"):
        raise _no_home_error(text)
    return os.path.expandvars(text)


def expand_home(path: str | os.PathLike[str]) -> Path:
    """Expand ``~`` or ``~user`` in a path.

    Raises:
        ValueError: The user has no home directory.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise _no_home_error(os.fspath(path)) from None


def _no_home_error(path: str) -> ValueError:
    return ValueError(
        f"Cannot expand {path!r}: the user has no home directory. Set the environment variable "
        "HOME, or use an absolute path."
    )


def is_local_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is an existing file; False if the text is not a valid path."""
    try:
        return Path(expand_path(path)).is_file()
    except (OSError, ValueError):
        return False


def get_file_name(location: str | os.PathLike[str]) -> str:
    """Return the last component of a path or URL, with or without a trailing slash."""
    text = os.fspath(location)
    path = unquote(urlsplit(text).path) if is_url(text) else text
    return Path(path).name
