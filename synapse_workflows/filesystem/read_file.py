"""Files opened for reading."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from synapse_workflows.client.api import bundles
from synapse_workflows.client.core.events import Read
from synapse_workflows.client.errors import SynapseUnsupportedStorageError
from synapse_workflows.client.synapse import Synapse
from synapse_workflows.client.transfer.download_request import (
    DownloadRequest,
    request_download_url,
)
from synapse_workflows.client.transfer.progress import format_size
from synapse_workflows.client.transfer.range_reader import RangeReader
from synapse_workflows.constants import EXTERNAL_FILE_HANDLE, FILE, MiB
from synapse_workflows.filesystem.entity_types import DIRECTORY, TABULAR
from synapse_workflows.filesystem.ranged_content import RangedContent

#: Size of the ranges in which a large file is read, in bytes.
_BLOCK_SIZE: Final = 4 * MiB
#: Minimum size of a file that is read by ranges, in blocks.
_MIN_BLOCKS: Final = 16


class SynapseReadFile(io.BufferedReader):
    """A version of a file, or the rows of a table as CSV.

    Args:
        content: The content.
        info: Information about the entity, with the version that is read.
        size: Size of the content in bytes.
        block_size: Size of the buffer in bytes.
    """

    def __init__(
        self,
        content: io.RawIOBase,
        info: Mapping[str, Any],
        size: int,
        block_size: int = io.DEFAULT_BUFFER_SIZE,
    ) -> None:
        super().__init__(content, block_size)
        self.path = info["name"]
        self.details = info
        self.size = size

    @classmethod
    def of_path(cls, path: Path, info: Mapping[str, Any]) -> "SynapseReadFile":
        """Open a file in the cache of the client."""
        return cls(io.FileIO(path), info, path.stat().st_size)

    def __del__(self) -> None:
        """Close the file without a warning: pyarrow leaves its files open."""
        self.close()


def open_read(
    client: Synapse,
    info: Mapping[str, Any],
    *,
    is_current: bool,
    block_size: Any = None,
    with_ranges: bool = True,
) -> SynapseReadFile:
    """Open a version for reading, which is recorded as read.

    The file is downloaded to the cache of the client, and its MD5 verified. A large file that is
    not in the cache is read by ranges, until more than an eighth of it is read. A table or view is
    queried with `select * from syn123`, without row IDs.

    Args:
        client: Reads the file. A file in its cache is not downloaded again.
        info: Information about the entity, with the version to read.
        is_current: Whether the current version of a table or view is read, not a snapshot.
        block_size: Size of the ranges in bytes, by default 4 MiB. A file is large if it has at
            least 16 blocks.
        with_ranges: Whether ranges of a large file are read, instead of the whole file.

    Raises:
        ValueError: `block_size` is not positive.
        IsADirectoryError: The entity is a project or folder.
        PermissionError: The caller may not download the file.
        SynapseUnsupportedStorageError: The entity is neither a file nor a table.
        SynapseMd5MismatchError: The content does not have the MD5 that Synapse recorded.
    """
    block_size = _BLOCK_SIZE if block_size is None else block_size
    if not isinstance(block_size, int) or block_size < 1:
        raise ValueError(
            f"Invalid block_size {block_size!r}: expected a positive number of bytes."
        )
    url = f"syn://{info['name']}"
    if info["type"] == DIRECTORY:
        raise IsADirectoryError(f"Cannot open {url}: {info['id']} is a project or folder")
    if info["concrete_type"] in TABULAR:
        return SynapseReadFile.of_path(_query(client, info, is_current=is_current), info)
    if info["concrete_type"] != FILE:
        kind = info["concrete_type"].rpartition(".")[2]
        raise SynapseUnsupportedStorageError(
            f"Cannot open {url}: {info['id']} is a {kind}, which has no content. Open a file or a "
            "table."
        )
    if with_ranges and (info["size"] or 0) >= _MIN_BLOCKS * block_size:
        content = _open_ranges(client, info)
        if content is not None:
            return SynapseReadFile(content, info, info["size"], block_size)
    return SynapseReadFile.of_path(_download(client, info), info)


def _download(client: Synapse, info: Mapping[str, Any]) -> Path:
    found = client.get(info["id"], version=info["version"])
    path = getattr(found, "path", None)
    if path is None:
        raise PermissionError(
            f"Cannot open syn://{info['name']}: no permission to download {info['id']}. Ask its "
            "owner for DOWNLOAD access."
        )
    return Path(path)


def _open_ranges(client: Synapse, info: Mapping[str, Any]) -> RangedContent | None:
    """Return the content of a file, read by ranges; None if the file has to be downloaded."""
    bundle = bundles.get_bundle(client, info["id"], info["version"])
    handle = bundles.get_file_handle(bundle)
    if handle is None or bundles.has_unmet_requirements(bundle):
        return None  # the download raises the error
    is_external = handle.get("concreteType") == EXTERNAL_FILE_HANDLE
    if is_external or client.cache.has_copies(handle["id"]):
        return None
    request = DownloadRequest(handle, "FileEntity", info["id"], None, None)
    ranges = RangeReader(client, request, request_download_url(client, request))
    name = bundle["entity"]["name"]
    client.emit(Read(info["id"], info["version"], name, FILE, how="open"))
    client.logger.info(
        "Reading ranges of %s (%s.%s, %s). Its MD5 is verified if more than an eighth is read.",
        *(name, info["id"], info["version"], format_size(info["size"])),
    )
    return RangedContent(ranges, info["size"], lambda: _download(client, info).open("rb"))


def _query(client: Synapse, info: Mapping[str, Any], *, is_current: bool) -> Path:
    table = info["id"] if is_current else f"{info['id']}.{info['version']}"
    query = f"select * from {table}"  # noqa: S608 - an ID, which Synapse has returned
    result = client.tableQuery(query, includeRowIdAndRowVersion=False)
    return Path(result.filepath)
