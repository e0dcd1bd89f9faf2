"""Paths and URLs as texts: which is which, one as the other, and the name of the file there."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def is_url(value: object) -> bool:
    """Tell whether a value is the text of a URL: ``https://...``, ``file:///...``, ``s3://...``."""
    if not isinstance(value, str) or _DRIVE.match(value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.path if parts.scheme == "file" else parts.scheme and parts.netloc)


def to_url(location: str) -> str:
    """Write a location as a URL: a path becomes ``file://`` and the absolute path."""
    return location if is_url(location) else Path(expand_path(location)).absolute().as_uri()


def expand_path(path: str | os.PathLike[str]) -> str:
    """Put the user's home and environment variables into a path."""
    return os.path.expandvars(os.path.expanduser(os.fspath(path)))  # noqa: PTH111 - text in and out


def get_file_name(location: str | os.PathLike[str]) -> str:
    """Read the last name of a path or URL, whether or not a slash follows it."""
    text = os.fspath(location)
    path = unquote(urlsplit(text).path) if is_url(text) else text
    return Path(path).name
