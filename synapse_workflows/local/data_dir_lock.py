"""One service to a data directory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


class DataDirInUseError(RuntimeError):
    """Another running service has the data directory."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"{data_dir} is in use by another running service: "
            "stop that one, or choose another directory"
        )


@contextmanager
def lock_data_dir(data_dir: Path) -> Iterator[None]:
    """Have a data directory to oneself while the block lasts.

    Raises:
        DataDirInUseError: Another running service has it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(data_dir / "service.lock", timeout=0):
            yield
    except Timeout:
        raise DataDirInUseError(data_dir) from None
