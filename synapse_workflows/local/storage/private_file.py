"""Files that only their owner can read and write."""

import os
from pathlib import Path


def write_private_file(path: Path, text: str) -> None:
    """Write a file atomically. Only the owner has permission to read and write the file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
