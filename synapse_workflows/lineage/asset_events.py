"""Airflow asset events for stored entities."""

from collections.abc import Iterator, Mapping
from typing import Any

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.asset import AssetNameRef, AssetUriRef
from airflow.sdk.exceptions import AirflowRuntimeError

from synapse_workflows.assets import entity_id_from_uri, path_from_uri, synapse_asset
from synapse_workflows.client.api.entity_paths import find_by_path
from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.redaction import redact_name
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model.ids import split_version


def emit_asset_event(
    context: Mapping[str, Any],
    stored: Wrote,
    activity_id: str | None,
    client: Any,
    *,
    use_aliases: bool,
) -> None:
    """Emit the asset events of a stored entity, with version, MD5, Activity and name in `extra`.

    Events are emitted only for the declared outlets of the task: the asset of the entity, also by
    its path (`syn://syn123/folder/name.csv`) or by the name of the asset, and each asset alias. An
    alias receives one event per stored entity. Airflow emits the event of an asset in any case;
    for a version that is used again, its `extra` has `created: False`. The `extra` for a path has
    the `id` of the entity.

    Args:
        context: Context of the running task.
        stored: The stored entity.
        activity_id: Id of the stored entity's Activity, if any.
        client: The client that stored the entity, which resolves paths.
        use_aliases: Whether to emit an event for the aliases. An event that an alias already has
            for the entity is updated in any case.
    """
    values = {
        "version": stored.version,
        "md5": stored.md5,
        "activity_id": activity_id,
        "name": None if stored.name is None else redact_name(stored.name),
    }
    extra = {name: value for name, value in values.items() if value is not None}
    if stored.is_open:
        extra["open_version"] = True
    if stored.is_reused:
        extra["created"] = False
    for uri, events in _iter_assets(context):
        if _is_version(uri, stored):
            events.extra.update(extra)
        elif _is_path(uri, stored, client):
            events.extra.update({"id": stored.entity_id, **extra})
        elif path_from_uri(uri) and events.extra.get("id") == stored.entity_id:
            events.extra.clear()  # the entity was moved
    for alias in context["ti"].task.outlets:
        if isinstance(alias, AssetAlias):
            asset = _create_asset(context["ti"], stored.entity_id, extra.get("name"))
            _emit_through_alias(context, alias, asset, extra, is_new=use_aliases)


def withdraw_asset_events(context: Mapping[str, Any], entity_id: str) -> None:
    """Remove what `emit_asset_event` has emitted, because the task has deleted the entity again.

    Airflow emits the event of an outlet nevertheless, but without version.

    Args:
        context: Context of the running task.
        entity_id: `syn123`.
    """
    for uri, events in _iter_assets(context):
        found = events.extra.get("id") or entity_id_from_uri(uri)
        if found is not None and split_version(found).id == entity_id:
            events.extra.clear()
    own = synapse_asset(entity_id).uri
    for alias in context["ti"].task.outlets:
        if isinstance(alias, AssetAlias):
            by_alias = context["outlet_events"][alias].asset_alias_events
            by_alias[:] = [one for one in by_alias if one.dest_asset_key.uri != own]


def _iter_assets(context: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the URI and the events of each outlet that is an entity."""
    for outlet in context["ti"].task.outlets:
        if isinstance(outlet, AssetNameRef):
            try:
                events = context["outlet_events"][outlet]
            except AirflowRuntimeError:  # no DAG declares an asset of this name
                continue
            uri = events.key.uri
        elif isinstance(outlet, Asset | AssetUriRef):
            uri = outlet.uri
        else:
            continue
        if entity_id_from_uri(uri) is not None or path_from_uri(uri) is not None:
            yield uri, context["outlet_events"][outlet]


def _create_asset(ti: Any, entity_id: str, name: Any) -> Asset:
    """Return the asset of an entity. If Airflow creates it, it shows the name and the task."""
    details = {"entity_name": name} if name else {}
    details["produced_by"] = f"{ti.dag_id}.{ti.task_id}"
    return synapse_asset(entity_id, extra=details)


def _is_version(uri: str, stored: Wrote) -> bool:
    """Return whether a URI is the stored entity, without a version or with the stored one."""
    entity_id = entity_id_from_uri(uri)
    if entity_id is None:
        return False
    found = split_version(entity_id)
    return found.id == stored.entity_id and found.version in (None, stored.version)


def _is_path(uri: str, stored: Wrote, client: Any) -> bool:
    """Return whether a URI is the path of the stored entity."""
    path = path_from_uri(uri)
    if path is None or path.names[-1] != stored.name:
        return False
    try:
        return bool(find_by_path(client, path) == stored.entity_id)
    except (FileNotFoundError, SynapseError) as error:
        client.logger.debug("%s is not the path of %s: %s", uri, stored.entity_id, error)
        return False


def _emit_through_alias(
    context: Mapping[str, Any],
    alias: AssetAlias,
    asset: Asset,
    extra: Mapping[str, Any],
    *,
    is_new: bool,
) -> None:
    """Update the event that an alias has for an asset; if it has none, add it with `is_new`."""
    events = context["outlet_events"][alias]
    existing = list(_iter_extras(events, asset))
    for values in existing:
        values.update(extra)
    if is_new and not existing:
        events.add(asset, extra=dict(extra))


def _iter_extras(events: Any, asset: Asset) -> Iterator[dict[str, Any]]:
    for event in events.asset_alias_events:
        if event.dest_asset_key.uri == asset.uri:
            yield event.extra
