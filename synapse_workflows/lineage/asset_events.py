"""What a task stored, announced to Airflow as events of assets."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.asset import AssetUriRef

from synapse_workflows.assets import parse_entity_id, stored_alias, synapse_asset
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.model.ids import split_version


def emit_asset_event(
    context: Mapping[str, Any], stored: Wrote, activity_id: str | None, *, news: bool
) -> None:
    """Let the event of a stored entity's asset say which version it is.

    A declared outlet of the task gets its `extra`. Other entities are announced through an alias
    that is added to the task's outlets; Airflow makes their assets when it sees them first.

    Args:
        context: of the running task.
        stored: what was stored.
        activity_id: the Activity that tells how; None when there is none.
        news: whether there is something to announce where nobody declared an outlet.
    """
    extra = {"version": stored.version, "md5": stored.md5, "activity_id": activity_id}
    known = {name: value for name, value in extra.items() if value is not None}
    declared = [
        outlet for outlet in context["ti"].task.outlets if _is_asset_of(outlet, stored.entity_id)
    ]
    for outlet in declared:
        context["outlet_events"][outlet].extra.update(known)
    if news and not declared:
        _emit_through_alias(context, synapse_asset(stored.entity_id), known)


def _is_asset_of(outlet: Any, entity_id: str) -> bool:
    if not isinstance(outlet, Asset | AssetUriRef):
        return False
    entity = parse_entity_id(outlet.uri)
    return entity is not None and split_version(entity).id == entity_id


def _emit_through_alias(
    context: Mapping[str, Any], asset: Asset, extra: Mapping[str, Any]
) -> None:
    alias = stored_alias()
    task = context["ti"].task
    if not any(isinstance(one, AssetAlias) and one.name == alias.name for one in task.outlets):
        # a new list: the old one is that of the DAG's own operator
        task.outlets = [*task.outlets, alias]
    events = context["outlet_events"][alias]
    events.asset_alias_events[:] = [
        event for event in events.asset_alias_events if event.dest_asset_key.uri != asset.uri
    ]
    events.add(asset, extra=dict(extra))
