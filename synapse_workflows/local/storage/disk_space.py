"""Detection of errors that a full disk causes."""

import errno
import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError

#: Error numbers: no space left, quota exceeded, file too large.
_ERRNOS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SQLITE_CODES: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error of the operating system or of SQLite means a full disk."""
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, OSError):
        return original.errno in _ERRNOS
    return getattr(original, "sqlite_errorcode", None) in _SQLITE_CODES
