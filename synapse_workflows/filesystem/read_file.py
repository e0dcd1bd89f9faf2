"""Files opened for reading."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synapse_workflows.client.errors import SynapseUnsupportedStorageError
from synapse_workflows.client.synapse import Synapse
from synapse_workflows.constants import FILE
from synapse_workflows.filesystem.entity_types import DIRECTORY, TABULAR


class SynapseReadFile(io.BufferedReader):
    """A version of a file, or the rows of a table as CSV, in the cache of the client.

    Args:
        path: The cached file.
        info: Information about the entity, with the version that is read.
    """

    def __init__(self, path: Path, info: Mapping[str, Any]) -> None:
        super().__init__(io.FileIO(path))
        self.path = info["name"]
        self.details = info
        self.size = path.stat().st_size

    def __del__(self) -> None:
        """Close the file without a warning: pyarrow leaves its files open."""
        self.close()


def open_read(client: Synapse, info: Mapping[str, Any], *, is_current: bool) -> SynapseReadFile:
    """Download a version to the cache of the client, and open it.

    The MD5 of the file is verified, and the version is recorded as read. A table or view is
    queried with `select * from syn123`, without row IDs.

    Args:
        client: Downloads the file. A file in its cache is not downloaded again.
        info: Information about the entity, with the version to read.
        is_current: Whether the current version of a table or view is read, not a snapshot.

    Raises:
        IsADirectoryError: The entity is a project or folder.
        PermissionError: The caller may not download the file.
        SynapseUnsupportedStorageError: The entity is neither a file nor a table.
        SynapseMd5MismatchError: The content does not have the MD5 that Synapse recorded.
    """
    url = f"syn://{info['name']}"
    if info["type"] == DIRECTORY:
        raise IsADirectoryError(f"Cannot open {url}: {info['id']} is a project or folder")
    if info["concrete_type"] in TABULAR:
        return SynapseReadFile(_query(client, info, is_current=is_current), info)
    if info["concrete_type"] != FILE:
        kind = info["concrete_type"].rpartition(".")[2]
        raise SynapseUnsupportedStorageError(
            f"Cannot open {url}: {info['id']} is a {kind}, which has no content. Open a file or a "
            "table."
        )
    found = client.get(info["id"], version=info["version"])
    path = getattr(found, "path", None)
    if path is None:
        raise PermissionError(
            f"Cannot open {url}: no permission to download {info['id']}. Ask its owner for "
            "DOWNLOAD access."
        )
    return SynapseReadFile(Path(path), info)


def _query(client: Synapse, info: Mapping[str, Any], *, is_current: bool) -> Path:
    table = info["id"] if is_current else f"{info['id']}.{info['version']}"
    query = f"select * from {table}"  # noqa: S608 - an ID, which Synapse has returned
    result = client.tableQuery(query, includeRowIdAndRowVersion=False)
    return Path(result.filepath)
