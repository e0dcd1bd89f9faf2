"""Information about entities, in the form of fsspec."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from synapse_workflows.client.api import bundles
from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.constants import CONTAINERS, FILE
from synapse_workflows.filesystem.entity_types import DIRECTORY, get_file_type

#: Maximum number of requests at a time.
_MAX_THREADS: Final = 8


def fetch_info(syn: Session, path: str, entity_id: str, version: int | None) -> dict[str, Any]:
    """Return the information about an entity.

    Args:
        syn: The session that sends the request.
        path: Path of the entity.
        entity_id: `syn123`.
        version: Version number; None for the current version.

    Returns:
        `name` (the path), `entity_name`, `type` (`directory`, `file` or `other`), `size` in
        bytes, `id`, `version`, `md5`, `etag`, `content_type`, `concrete_type`, `created`,
        `modified` (datetimes in UTC), `mtime` (seconds since 1970) and `ino` (the number of the
        ID). Unknown values are None: the size and the MD5 of a table, or without permission to
        download a file.

    Raises:
        FileNotFoundError: The entity or version does not exist.
        PermissionError: The caller may not read the entity.

    Source:
        POST /entity/{id}/bundle2, POST /entity/{id}/version/{versionNumber}/bundle2
        https://rest-docs.synapse.org/rest/POST/entity/id/bundle2.html
    """
    bundle = bundles.get_bundle(syn, entity_id, version)
    handle = bundles.get_file_handle(bundle) or {}
    info = build_info(path, bundle["entity"] | {"type": bundle["entity"]["concreteType"]})
    size = handle.get("contentSize")
    return info | {
        "size": info["size"] if size is None else int(size),
        "md5": handle.get("contentMd5"),
        "content_type": handle.get("contentType"),
        "etag": bundle["entity"].get("etag"),
    }


def build_info(path: str, header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the information about an entity in an EntityHeader; its size is unknown."""
    concrete_type = header["type"]
    is_directory = concrete_type in CONTAINERS
    modified = _parse_date(header["modifiedOn"])
    return {
        "name": path,
        "entity_name": header["name"],
        "type": DIRECTORY if is_directory else get_file_type(concrete_type),
        "size": 0 if is_directory else None,
        "id": header["id"],
        "version": None if is_directory else header.get("versionNumber"),
        "concrete_type": concrete_type,
        "created": _parse_date(header["createdOn"]),
        "modified": modified,
        "mtime": modified.timestamp(),
        "ino": int(header["id"].removeprefix("syn")),
    }


def add_sizes(syn: Session, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return information about entities, with the size, MD5 and etag of the files among them."""

    def complete(info: dict[str, Any]) -> dict[str, Any]:
        if info["concrete_type"] != FILE:
            return info
        try:
            return fetch_info(syn, info["name"], info["id"], None)
        except SynapseNotFoundError:  # deleted meanwhile
            return info

    return [info for _, info in map_parallel(complete, found, _MAX_THREADS)]


def _parse_date(text: str) -> datetime:
    return datetime.fromisoformat(text)
