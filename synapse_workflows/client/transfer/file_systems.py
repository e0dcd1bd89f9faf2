"""Files in file systems of fsspec, such as object storages, as streams."""

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.errors import SynapseTransferError
from synapse_workflows.constants import MiB

#: Protocols of storage without directories. Creating a directory there could create a bucket.
_FLAT_SCHEMES: Final = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "r2"}
)


def write_file(file_system: Any, path: str, source: Path, url: str) -> None:
    """Stream a local file to a file system; replace an existing file.

    Args:
        file_system: File system of fsspec.
        path: Path in the file system.
        source: The local file.
        url: URL of the file, for the scheme and for messages.

    Raises:
        SynapseTransferError: The file system did not store the whole file.
    """
    if urlsplit(url).scheme not in _FLAT_SCHEMES:
        file_system.makedirs(file_system._parent(path), exist_ok=True)  # noqa: SLF001
    stream = file_system.open(path, "wb")
    try:
        with source.open("rb") as file:
            shutil.copyfileobj(file, stream, MiB)
    except BaseException:
        # Closing the stream would store an incomplete object.
        with suppress(Exception):
            stream.discard()
            stream.closed = True
        raise
    stream.close()
    file_system.invalidate_cache()
    size = file_system.size(path)
    if size != source.stat().st_size:
        raise SynapseTransferError(
            f"{redact_url(url)} has {size} bytes, but {source.stat().st_size} bytes were written."
        )


def copy_to_local(file_system: Any, path: str, target: Path) -> None:
    """Stream a file of a file system to a local file.

    Args:
        file_system: File system of fsspec.
        path: Path in the file system.
        target: The local file.

    Raises:
        FileNotFoundError: The file does not exist.
    """
    with file_system.open(path, "rb") as stream, target.open("wb") as file:
        shutil.copyfileobj(stream, file, MiB)
