"""Inputs of a task that are known before it runs: inlets and triggering asset events."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.asset import AssetNameRef, AssetUriRef
from airflow.sdk.execution_time.context import InletEventsAccessor

from synapse_workflows.assets import (
    entity_id_from_uri,
    is_files_uri,
    is_submissions_uri,
    path_from_uri,
)
from synapse_workflows.client.model.ids import is_synapse_id, parse_version_number
from synapse_workflows.provenance.record import EntityRef, Origin, Record, UrlRef

#: Maximum number of events of an alias that are read, newest first.
_MAX_ALIAS_EVENTS: Final = 1000


def read_inlets(inlets: Iterable[Any]) -> Record:
    """Return the inlets of a task as used references.

    The version of an entity comes from the newest event of its asset. Without an event, the
    version is None.

    Args:
        inlets: Assets, asset aliases and references to assets; other objects are ignored.
    """
    record = Record()
    for inlet in inlets:
        record |= _read_inlet(inlet)
    return record


def read_triggering_events(context: Mapping[str, Any]) -> Record:
    """Return the newest event of each asset that triggered the run, as used references.

    Of the asset of new files, all events count, because each announces other files. If the tasks
    read some of the announced files, the others are not their inputs.
    """
    record = Record()
    triggering = context.get("triggering_asset_events") or {}
    for asset, events in triggering.items():
        if isinstance(asset, AssetAlias) or not events:
            continue
        ordered = sorted(events, key=lambda event: event.timestamp)
        for event in ordered if is_files_uri(asset.uri) else ordered[-1:]:
            record |= _create_record(Origin.EVENT, asset.name, asset.uri, event.extra)
    return record


def _read_inlet(inlet: Any) -> Record:
    if isinstance(inlet, Asset):
        return _read_asset(inlet.uri, name=inlet.name)
    if isinstance(inlet, AssetUriRef):
        return _read_asset(inlet.uri)
    if isinstance(inlet, AssetNameRef):
        return _read_event(inlet.name, _get_newest_event(asset_name=inlet.name))
    if isinstance(inlet, AssetAlias):
        return _read_alias(inlet.name)
    return Record()


def _read_alias(name: str) -> Record:
    """Return the newest event of each asset of an alias."""
    events = InletEventsAccessor(asset_name=None, asset_uri=None, alias_name=name)
    newest: dict[str, Any] = {}
    for event in events.ascending(False).limit(_MAX_ALIAS_EVENTS):
        newest.setdefault(event.asset.uri, event)
    records = [_read_event(name, event) for event in newest.values()]
    return Record.merge(records) if records else _read_event(name, None)


def _read_asset(uri: str, name: str | None = None) -> Record:
    is_entity = entity_id_from_uri(uri) or path_from_uri(uri) or is_files_uri(uri)
    event = _get_newest_event(asset_uri=uri, asset_name=name) if is_entity else None
    return _create_record(Origin.INLET, name or uri, uri, event and event.extra)


def _read_event(inlet_name: str, event: Any) -> Record:
    if event is None:
        return Record().with_gap(f"inlet {inlet_name}: its asset has no event")
    return _create_record(Origin.INLET, event.asset.name, event.asset.uri, event.extra)


def _get_newest_event(*, asset_name: str | None = None, asset_uri: str | None = None) -> Any:
    """Return the newest event of an asset, or None if the asset has no event."""
    events = InletEventsAccessor(asset_name=asset_name, asset_uri=asset_uri, alias_name=None)
    newest = list(events.ascending(False).limit(1))
    return newest[0] if newest else None


def _create_record(origin: Origin, name: str, uri: str, extra: Mapping[str, Any] | None) -> Record:
    by_path = path_from_uri(uri) is not None
    entity_id = (extra or {}).get("id") if by_path else entity_id_from_uri(uri)
    if is_synapse_id(entity_id):
        entity = EntityRef.parse(str(entity_id))
        version = entity.version or _parse_version(extra or {})
        is_open = bool((extra or {}).get("open_version"))
        return Record.from_refs(origin, used=[EntityRef(entity.id, version, is_open=is_open)])
    if by_path:
        return Record().with_gap(f"asset {name}: it has no event with the ID of its entity")
    if is_submissions_uri(uri):
        return Record()  # the claimed submission is the source, not the queue
    if is_files_uri(uri):
        return Record.from_refs(Origin.ANNOUNCED, used=_iter_files(extra or {}))
    if urlsplit(uri).scheme:
        url = UrlRef(uri, name if name != uri else None)
        return Record.from_refs(origin, used=[url])
    return Record().with_gap(f"asset {name}: its URI has no scheme")


def _iter_files(extra: Mapping[str, Any]) -> Iterator[EntityRef]:
    """Yield the files that an event announces, with their versions."""
    payload = extra.get("payload")
    files = payload.get("files") if isinstance(payload, Mapping) else None
    for file in files or ():
        if isinstance(file, Mapping) and is_synapse_id(file.get("id")):
            yield EntityRef(file["id"], _parse_version(file))


def _parse_version(extra: Mapping[str, Any]) -> int | None:
    """Return the version in the `extra` of an event, or in its `payload` if a trigger sent it."""
    payload = extra.get("payload") if extra.get("from_trigger") else None
    default = payload.get("version") if isinstance(payload, dict) else None
    version = extra.get("version", default)
    try:
        return None if version is None else parse_version_number(version)
    except (TypeError, ValueError):
        return None
