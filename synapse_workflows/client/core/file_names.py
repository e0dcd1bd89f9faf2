"""Safe names on disk for files whose names come from Synapse.

The user who shares a file chooses its name. On disk, the name must not refer to another directory,
must not be the name of an internal file of the cache in the same directory, and must be valid in
all common file systems.
"""

import hashlib
import re
import unicodedata
from typing import Final

#: Maximum length of a file name in bytes on common file systems.
MAX_BYTES: Final = 255
#: Text between the target name and the ID of the file handle in the name of a partial file.
PARTIAL_MARK: Final = ".synapse_download_"
#: Names that start with this text belong to the map of the cache and its lock.
_RESERVED_PREFIX: Final = ".cachemap"
_SEPARATORS: Final = re.compile(r"[/\\]")
#: Control characters, surrogates, line and paragraph separators.
_UNSAFE_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
#: Characters that reverse the displayed text, for example of the file extension.
_DIRECTION_MARKS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE)
#: A longer text after the last dot is not treated as a file extension.
_MAX_SUFFIX_BYTES: Final = 20


def safe_file_name(name: object, default: str) -> str:
    """Return a safe name on disk for a file with an arbitrary name in Synapse.

    Ordinary names are returned unchanged. The directories of a path are removed. Control
    characters are replaced by ``_``. Names of devices and of internal files of the cache get the
    prefix ``_``. Names over 255 bytes are shortened, and a hash is added to keep them unique.

    Args:
        name: The name of the file; None or empty if the file has no name.
        default: The name to return if no usable character remains, for example the file handle
            ID.
    """
    base = _SEPARATORS.split("" if name is None else str(name))[-1]
    clean = "".join("_" if _is_unsafe(character) else character for character in base)
    if not clean.strip(" ."):
        return default
    clean = clean.replace(PARTIAL_MARK, PARTIAL_MARK.replace(".", "_"))
    if clean.casefold().startswith(_RESERVED_PREFIX) or _DEVICE.fullmatch(clean):
        clean = f"_{clean}"
    return clean if len(clean.encode()) <= MAX_BYTES else _shorten(clean)


def is_safe_path(path: object) -> bool:
    """Return whether a value is a relative path with forward slashes that stays below its root."""
    if not isinstance(path, str) or "\\" in path or "\0" in path:
        return False
    return bool(path) and all(name not in ("", ".", "..") for name in path.split("/"))


def numbered_name(name: str, number: int) -> str:
    """Return ``name(1).txt`` for ``name.txt`` and 1, with at most 255 bytes."""
    return append_to_stem(name, f"({number})")


def append_to_stem(name: str, text: str) -> str:
    """Return ``name-7.txt`` for ``name.txt`` and ``-7``, with at most 255 bytes."""
    stem, suffix = _split_suffix(name)
    return _join(stem, f"{text}{suffix}")


def _is_unsafe(character: str) -> bool:
    return unicodedata.category(character) in _UNSAFE_CATEGORIES or character in _DIRECTION_MARKS


def _shorten(name: str) -> str:
    stem, suffix = _split_suffix(name)
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return _join(stem, f"~{digest}{suffix}")


def _split_suffix(name: str) -> tuple[str, str]:
    """Split a name at its last dot, unless the dot is leading or the text after it is too long."""
    stem, dot, end = name.rpartition(".")
    if not stem.strip(".") or len(_encode(end)) > _MAX_SUFFIX_BYTES:
        return name, ""
    return stem, dot + end


def _join(stem: str, end: str) -> str:
    """Join two texts, after shortening the first one to the maximum length of a name."""
    room = MAX_BYTES - len(_encode(end))
    if len(_encode(stem)) <= room:
        return stem + end
    return _encode(stem)[:room].decode("utf-8", "ignore") + end


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
