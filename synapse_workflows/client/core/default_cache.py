"""Default directory of the local cache.

A container may have no writable home directory: a read-only file system, an arbitrary user ID
without an entry in /etc/passwd, no HOME, or HOME=/.
"""

import logging
import os
import stat
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from synapse_workflows.client.errors import SynapseFileCacheError

DEFAULT_CACHE: Final = "~/.synapseCache"

_log = logging.getLogger(__name__)
_WAY_OUT: Final = (
    "To select another directory, set `cache_root_dir` of the client, `cache_dir` of the Airflow "
    "connection, or AIRFLOW__SYNAPSE__CACHE_DIR."
)


def find_default_cache() -> str:
    """Return `~/.synapseCache` if it is writable, or a private directory of this user in TMPDIR.

    The directory in TMPDIR is created, and a warning is logged once per process. `~/.synapseCache`
    is not created.

    Raises:
        SynapseFileCacheError: The directory in TMPDIR belongs to another user.
        FileNotFoundError: There is no writable directory for temporary files either.
    """
    default = Path(os.path.expanduser(DEFAULT_CACHE))  # noqa: PTH111 - unchanged without a home
    if default.is_absolute() and _is_writable(default):
        return str(default)
    directory = Path(tempfile.gettempdir(), f"synapse-cache-{os.geteuid()}")
    _create_private(directory)
    _warn_once(str(directory))
    return str(directory)


def _is_writable(directory: Path) -> bool:
    """Return whether a directory is writable, or can be created."""
    while not os.path.lexists(directory) and directory != directory.parent:
        directory = directory.parent
    return directory.is_dir() and os.access(directory, os.W_OK | os.X_OK)


def _create_private(directory: Path) -> None:
    """Create a directory that only this user can write; its parent may be writable for all."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        status = directory.lstat()
        is_private = status.st_uid == os.geteuid() and not status.st_mode & 0o022
        if not (stat.S_ISDIR(status.st_mode) and is_private):
            raise SynapseFileCacheError(
                f"Cannot use {directory} as cache: it is not a directory that only this user can "
                f"write. {DEFAULT_CACHE} is not writable either. {_WAY_OUT}"
            ) from None


@cache
def _warn_once(directory: str) -> None:
    _log.warning(
        "%s is not writable: files are cached in %s. %s", DEFAULT_CACHE, directory, _WAY_OUT
    )
