"""Errors of a full disk."""

import errno
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

#: Errors of a full disk, an exhausted quota and a file size limit.
NO_SPACE_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def explain_full_disk(path: str | os.PathLike[str]) -> Generator[None]:
    """Name the file, the free space and the way out if the disk is full.

    Args:
        path: File that is written inside the block.

    Raises:
        OSError: The same error, with a message that Python's own error for writes lacks.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE_ERRORS:
            raise
        directory = Path(path).parent
        free = shutil.disk_usage(directory).free
        raise OSError(
            error.errno,
            f"{error.strerror}: {free} bytes are free in {directory}. Free space, or set TMPDIR "
            "to a directory with more space if this is a temporary file",
            os.fspath(path),
        ) from error
