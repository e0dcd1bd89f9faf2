"""Airflow asset events for stored entities."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.asset import AssetUriRef

from synapse_workflows.assets import entity_id_from_uri, stored_alias, synapse_asset
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.model.ids import split_version


def emit_asset_event(
    context: Mapping[str, Any], stored: Wrote, activity_id: str | None, *, use_alias: bool
) -> None:
    """Emit the asset event of a stored entity, with version, MD5 and Activity in `extra`.

    A declared outlet of the task receives the `extra`. For any other entity, the alias of
    `stored_alias` is added to the task's outlets, and Airflow creates the asset if needed.

    Args:
        context: context of the running task.
        stored: the stored entity.
        activity_id: id of its Activity, if any.
        use_alias: whether to emit an event for an entity that is not a declared outlet.
    """
    values = {"version": stored.version, "md5": stored.md5, "activity_id": activity_id}
    extra = {name: value for name, value in values.items() if value is not None}
    declared = [
        outlet for outlet in context["ti"].task.outlets if _is_asset_of(outlet, stored.entity_id)
    ]
    for outlet in declared:
        context["outlet_events"][outlet].extra.update(extra)
    if use_alias and not declared:
        _emit_through_alias(context, synapse_asset(stored.entity_id), extra)


def _is_asset_of(outlet: Any, entity_id: str) -> bool:
    if not isinstance(outlet, Asset | AssetUriRef):
        return False
    outlet_id = entity_id_from_uri(outlet.uri)
    return outlet_id is not None and split_version(outlet_id).id == entity_id


def _emit_through_alias(
    context: Mapping[str, Any], asset: Asset, extra: Mapping[str, Any]
) -> None:
    alias = stored_alias()
    task = context["ti"].task
    if not any(isinstance(one, AssetAlias) and one.name == alias.name for one in task.outlets):
        # assign a new list: the present one is shared with the operator of the DAG
        task.outlets = [*task.outlets, alias]
    events = context["outlet_events"][alias]
    events.asset_alias_events[:] = [
        event for event in events.asset_alias_events if event.dest_asset_key.uri != asset.uri
    ]
    events.add(asset, extra=dict(extra))
