"""Files of code that are known by their SHA-256."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from synapse_workflows.provenance.record import UrlRef

#: Characters of a commit or digest in the name of a reference.
SHORT_HASH: Final = 12
#: URL with a SHA-256 -> the file, and its name in the bundle, for `find_hashed_file`.
_files: dict[str, tuple[Path, str]] = {}
_MAX_FILES: Final = 10_000


def create_hash_ref(
    file: Path, name: str | None = None, commit: str | None = None
) -> UrlRef | None:
    """Return a file URL with the SHA-256 of the content, or None if the file is unreadable.

    Args:
        file: The file.
        name: Path of the file in its bundle; None for its name.
        commit: Commit that contains the file; None if there is none.
    """
    digest = _hash(file)
    if digest is None:
        return None
    # omit the directory: it differs between a DAG bundle and dag.test()
    base = Path(name or file).name
    at = f" at {commit[:SHORT_HASH]}" if commit else ""
    url = f"file:///{quote(base)}#sha256={digest}"
    if len(_files) < _MAX_FILES:
        _files[url] = (file, name or base)
    return UrlRef(url, f"{base}{at} (sha256 {digest[:SHORT_HASH]})")


def find_hashed_file(ref: UrlRef) -> tuple[Path, str] | None:
    """Return the file that a reference of `create_hash_ref` identifies, and its name.

    Returns:
        None if this process has not identified the file, or if the file has changed.
    """
    found = _files.get(ref.url)
    if found is None or _hash(found[0]) != ref.url.rpartition("=")[2]:
        return None
    return found


def replace_local_files(executed: Any) -> Any:
    """Replace local files in declared code by their hashes, as items of an Activity.

    Args:
        executed: Code in any form that Activities accept, a local file as `pathlib.Path` or as the
            text of its path, or a list of these.

    Raises:
        ValueError: A `pathlib.Path` is no file that can be read.
    """
    if isinstance(executed, Sequence) and not isinstance(executed, str):
        return [replace_local_files(item) for item in executed]
    is_path = isinstance(executed, os.PathLike)
    if not is_path and not (isinstance(executed, str) and _is_file(executed)):
        return executed
    ref = create_hash_ref(Path(executed).absolute())
    if ref is None:
        raise ValueError(
            f"Invalid executed {str(executed)!r}: it is no file that this process can read. Pass "
            "a file, a URL or a Synapse ID."
        )
    return {"url": ref.url, "name": ref.name}


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def _hash(file: Path) -> str | None:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
