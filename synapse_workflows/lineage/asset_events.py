"""Airflow asset events for stored entities."""

from collections.abc import Iterator, Mapping
from typing import Any

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.asset import AssetUriRef

from synapse_workflows.assets import entity_id_from_uri, synapse_asset
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.model.ids import split_version


def emit_asset_event(
    context: Mapping[str, Any], stored: Wrote, activity_id: str | None, *, use_aliases: bool
) -> None:
    """Emit the asset events of a stored entity, with version, MD5 and Activity in `extra`.

    Events are emitted only for the declared outlets of the task: the asset of the entity, and each
    asset alias. An alias receives one event per stored entity. Airflow emits the event of an asset
    in any case; for a version that is used again, its `extra` has `created: False`.

    Args:
        context: Context of the running task.
        stored: The stored entity.
        activity_id: Id of the stored entity's Activity, if any.
        use_aliases: Whether to emit an event for the aliases.
    """
    values = {"version": stored.version, "md5": stored.md5, "activity_id": activity_id}
    extra = {name: value for name, value in values.items() if value is not None}
    if stored.is_open:
        extra["open_version"] = True
    if stored.is_reused:
        extra["created"] = False
    for outlet in context["ti"].task.outlets:
        if _is_asset_of(outlet, stored.entity_id):
            context["outlet_events"][outlet].extra.update(extra)
        elif isinstance(outlet, AssetAlias) and use_aliases:
            _emit_through_alias(context, outlet, synapse_asset(stored.entity_id), extra)


def _is_asset_of(outlet: Any, entity_id: str) -> bool:
    if not isinstance(outlet, Asset | AssetUriRef):
        return False
    outlet_id = entity_id_from_uri(outlet.uri)
    return outlet_id is not None and split_version(outlet_id).id == entity_id


def _emit_through_alias(
    context: Mapping[str, Any], alias: AssetAlias, asset: Asset, extra: Mapping[str, Any]
) -> None:
    """Add an event to an alias; update the event that the alias already has for the asset."""
    events = context["outlet_events"][alias]
    existing = list(_iter_extras(events, asset))
    for values in existing:
        values.update(extra)
    if not existing:
        events.add(asset, extra=dict(extra))


def _iter_extras(events: Any, asset: Asset) -> Iterator[dict[str, Any]]:
    for event in events.asset_alias_events:
        if event.dest_asset_key.uri == asset.uri:
            yield event.extra
