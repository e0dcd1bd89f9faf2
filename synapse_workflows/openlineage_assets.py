"""OpenLineage datasets of the assets of entities.

Airflow imports this module in each process that uses assets; it imports the rest where needed.
"""

from typing import Any

from airflow.sdk import Asset

from synapse_workflows.assets import entity_id_from_uri
from synapse_workflows.client.model.ids import split_version


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Any:
    """Return the OpenLineage dataset of the asset of an entity.

    Args:
        asset: The asset. Its `extra` may have properties of a version, as asset events have.
            Without `portal`, the entity is in the Synapse of the connection `synapse_default`.
        lineage_context: The hook or path that reported the asset.

    Returns:
        The dataset; None for the URL of an object storage path, because the client reports the
        entity that was read or written, with its version.
    """
    from airflow.sdk import ObjectStoragePath

    from synapse_workflows.openlineage_datasets import build_entity_dataset

    properties = dict(asset.extra)
    entity_id = entity_id_from_uri(asset.uri) or properties.get("id")
    if entity_id is None or isinstance(lineage_context, ObjectStoragePath):
        return None
    found = split_version(entity_id)
    if found.version is not None:
        properties["version"] = found.version
    portal = properties.get("portal") or find_portal()
    return build_entity_dataset(found.id, {**properties, "portal": portal})


def find_portal(conn_id: str = "synapse_default") -> str | None:
    """Return the URL of the portal of a connection; None if there is no usable connection.

    Args:
        conn_id: ID of the connection.
    """
    from synapse_workflows.hooks.base import SynapseBaseHook

    try:
        return SynapseBaseHook(conn_id).settings().endpoints["portalEndpoint"]
    except Exception:  # noqa: BLE001 - events are emitted without a connection, too
        return None
