"""Synapse entities as Airflow assets: `syn://syn123`.

The version is never part of an asset's identity, or nobody could wait for the next one; it is in
the `extra` of each event, with the MD5 and the id of the Activity.
"""

from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from airflow.sdk import Asset, AssetAlias

from synapse_workflows.client.model.ids import parse_entity_id as parse_id

SCHEME: Final = "syn"
#: Every entity that a task stores is announced under this alias, unless it is a declared outlet.
STORED: Final = "synapse"


def synapse_asset(entity_id: str, **options: Any) -> Asset:
    """Make the asset of an entity, to schedule on, or as an inlet or outlet.

    Args:
        entity_id: as `syn123`; a version is left out.
        options: what `airflow.sdk.Asset` takes besides (`group`, `extra`, `watchers`).

    Raises:
        ValueError: Not the id of an entity.
    """
    uri = f"{SCHEME}://{parse_id(entity_id).id}"
    return Asset(**({"name": uri, "uri": uri} | options))


def create_asset(
    *, entity_id: str, version: int | None = None, extra: dict[str, Any] | None = None
) -> Asset:
    """Make an asset for Airflow's hook lineage, which says the version in `extra`."""
    known = dict(extra or {}) | ({} if version is None else {"version": version})
    return synapse_asset(entity_id, extra=known)


def stored_alias() -> AssetAlias:
    """Give the alias under which what tasks store is announced; a DAG can wait for all of it."""
    return AssetAlias(STORED)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Bring a `syn://` URI into one form; whatever comes, nothing is raised.

    Airflow also makes assets of object storage paths, whose text carries a connection
    (`syn://conn@syn123/a.txt`).
    """
    place = uri.netloc.rpartition("@")[2]
    path = "" if uri.path == "/" else uri.path
    return uri._replace(netloc=place.lower() if not path else place, path=path)


def parse_entity_id(uri: str) -> str | None:
    """Tell which entity an asset stands for; None when it is not one of ours.

    Args:
        uri: as `syn://syn123`, maybe with a version: `syn://syn123.4`.
    """
    parts = urlsplit(uri)
    if parts.scheme.lower() != SCHEME or parts.path.strip("/"):
        return None
    try:
        parse_id(parts.netloc.rpartition("@")[2])
    except ValueError:
        return None
    return parts.netloc.rpartition("@")[2].lower()


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Any:  # noqa: ARG001
    """Name the entity as OpenLineage does."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    return Dataset(namespace="syn://www.synapse.org", name=parse_entity_id(asset.uri) or asset.uri)
