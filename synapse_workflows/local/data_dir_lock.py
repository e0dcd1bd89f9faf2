"""Lock of a data directory: one running service per directory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from synapse_workflows.local.storage.data_dir import DataDirError


class DataDirInUseError(DataDirError):
    """Another running service uses the data directory."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"{data_dir} is in use by another running service: "
            "stop that service or use another directory"
        )


@contextmanager
def lock_data_dir(data_dir: Path) -> Iterator[None]:
    """Lock a data directory for the duration of the block. Create it if it does not exist.

    Raises:
        DataDirInUseError: Another running service uses the data directory.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(data_dir / "service.lock", timeout=0):
            yield
    except Timeout:
        raise DataDirInUseError(data_dir) from None
