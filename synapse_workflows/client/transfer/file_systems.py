"""Files in file systems of fsspec, such as object storages, as streams."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.client.errors import SynapseTransferError
from synapse_workflows.client.model.disk_space import explain_full_disk
from synapse_workflows.constants import MiB

#: Function that receives each block of a content.
OnBlock = Callable[[bytes], object]

#: Protocols of storage without directories. Creating a directory there could create a bucket.
_FLAT_SCHEMES: Final = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "r2"}
)


def is_flat(url: str) -> bool:
    """Return whether the storage of a URL has no directories, and shows only complete objects."""
    return urlsplit(url).scheme in _FLAT_SCHEMES


def write_file(
    file_system: Any, path: str, source: Path, url: str, on_block: OnBlock | None = None
) -> None:
    """Stream a local file to a file system; replace an existing file.

    Args:
        file_system: File system of fsspec.
        path: Path in the file system.
        source: The local file.
        url: URL of the file, for the scheme and for messages.
        on_block: Called with each block of the content.

    Raises:
        SynapseTransferError: The file system did not store the whole file.
    """
    if not is_flat(url):
        file_system.makedirs(file_system._parent(path), exist_ok=True)  # noqa: SLF001
    stream = file_system.open(path, "wb")
    try:
        with source.open("rb") as file:
            while block := file.read(MiB):
                stream.write(block)
                if on_block is not None:
                    on_block(block)
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
    with (
        file_system.open(path, "rb") as stream,
        explain_full_disk(target),
        target.open("wb") as file,
    ):
        shutil.copyfileobj(stream, file, MiB)
