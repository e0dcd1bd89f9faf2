"""Synapse entities, evaluation queues and new files as Airflow assets.

`syn://syn123` is an entity, `syn://syn123/folder/name.csv` an entity by its path,
`syn://evaluation/9600001/RECEIVED` the submissions with a status, and `syn://files/syn123` the new
files below a container.

The asset of an entity stands for all its versions. The `extra` of its events has the version,
the MD5, the ID of the Activity and the name.
"""

from typing import Any, Final
from urllib.parse import SplitResult, quote, urlsplit

from airflow.sdk import Asset

from synapse_workflows.client.model.entity_paths import EntityPath
from synapse_workflows.client.model.ids import parse_entity_id

SCHEME: Final = "syn"
#: Host of the URIs of evaluation queues.
_EVALUATION: Final = "evaluation"
#: Host of the URIs of the new files below a container.
_FILES: Final = "files"


def synapse_asset(entity_id: str, **options: Any) -> Asset:
    """Return the asset of an entity, for a schedule, an inlet or an outlet.

    Args:
        entity_id: `syn123`; a version is ignored.
        options: Other arguments of `airflow.sdk.Asset` (`group`, `extra`, `watchers`).

    Raises:
        ValueError: Invalid Synapse ID.
    """
    uri = f"{SCHEME}://{parse_entity_id(entity_id).id}"
    return Asset(**({"name": uri, "uri": uri} | options))


def get_submissions_uri(evaluation_id: str, status: str, name: str | None = None) -> str:
    """Return the URI of the asset that stands for the submissions with a status.

    Args:
        evaluation_id: ID of the evaluation queue.
        status: Status of the submissions.
        name: Distinguishes several assets for the same submissions.
    """
    parts = [evaluation_id, status, *([] if name is None else [quote(name, safe="")])]
    return f"{SCHEME}://{_EVALUATION}/{'/'.join(parts)}"


def is_submissions_uri(uri: str) -> bool:
    """Return whether a URI was returned by `get_submissions_uri`."""
    parts = urlsplit(uri)
    return parts.scheme.lower() == SCHEME and parts.netloc.lower() == _EVALUATION


def get_files_uri(
    container_id: str,
    name_pattern: str | None,
    *,
    recursive: bool,
    new_versions: bool,
    name: str | None = None,
) -> str:
    """Return the URI of the asset that stands for the new files below a container.

    Args:
        container_id: `syn123`.
        name_pattern: Pattern of the names of the files; None for all.
        recursive: Whether the files in its folders are included.
        new_versions: Whether new versions of files are included.
        name: Distinguishes several assets for the same files.
    """
    parts = [
        container_id,
        *([] if recursive else ["children"]),
        *(["versions"] if new_versions else []),
        *(quote(text, safe="") for text in (name_pattern, name) if text is not None),
    ]
    return f"{SCHEME}://{_FILES}/{'/'.join(parts)}"


def is_files_uri(uri: str) -> bool:
    """Return whether a URI was returned by `get_files_uri`."""
    parts = urlsplit(uri)
    return parts.scheme.lower() == SCHEME and parts.netloc.lower() == _FILES


def create_asset(
    *, entity_id: str, version: int | None = None, extra: dict[str, Any] | None = None
) -> Asset:
    """Create an asset for Airflow's hook lineage, with the version in `extra`."""
    values = dict(extra or {}) | ({} if version is None else {"version": version})
    return synapse_asset(entity_id, extra=values)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Return the canonical form of a `syn://` URI. Never raises.

    Airflow also creates assets from object storage paths. Such a path may contain a connection ID
    (`syn://conn@syn123/a.txt`); the connection ID is removed.
    """
    host = uri.netloc.rpartition("@")[2]
    path = "" if uri.path == "/" else uri.path
    return uri._replace(netloc=host.lower() if not path else host, path=path)


def entity_id_from_uri(uri: str) -> str | None:
    """Return the Synapse ID in the URI of an asset, or None for other assets.

    Args:
        uri: `syn://syn123` or `syn://syn123.4`.
    """
    parts = urlsplit(uri)
    if parts.scheme.lower() != SCHEME or parts.path.strip("/"):
        return None
    try:
        parse_entity_id(parts.netloc.rpartition("@")[2])
    except ValueError:
        return None
    return parts.netloc.rpartition("@")[2].lower()


def path_from_uri(uri: str) -> EntityPath | None:
    """Return the path of an entity below another one in the URI of an asset, or None.

    Args:
        uri: `syn://syn123/folder/name.csv`.
    """
    parts = urlsplit(uri)
    if parts.scheme.lower() != SCHEME or is_submissions_uri(uri) or is_files_uri(uri):
        return None
    try:
        path = EntityPath.parse(parts.netloc.rpartition("@")[2] + parts.path)
    except ValueError:
        return None
    return path if path.names else None
