"""What is said of a task before it runs: its inlets, and the events that woke its run."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.asset import AssetNameRef, AssetUriRef
from airflow.sdk.execution_time.context import InletEventsAccessor

from synapse_workflows.assets import parse_entity_id
from synapse_workflows.provenance.record import EntityRef, Origin, Record, UrlRef


def read_inlets(inlets: Iterable[Any]) -> Record:
    """Read what a task declares as its inlets.

    The version of an entity is that of the newest event of its asset; where no event says one,
    it stays unknown here.

    Args:
        inlets: assets, aliases, references to assets; other things are passed over.
    """
    record = Record()
    for inlet in inlets:
        record |= _read_inlet(inlet)
    return record


def read_triggering_events(context: Mapping[str, Any]) -> Record:
    """Read the asset events that triggered the run; of several for one asset, the newest."""
    record = Record()
    triggering = context.get("triggering_asset_events") or {}
    for asset, events in triggering.items():
        if isinstance(asset, AssetAlias) or not events:
            continue
        newest = max(events, key=lambda event: event.timestamp)
        record |= _create_record(Origin.EVENT, asset.name, asset.uri, newest.extra)
    return record


def _read_inlet(inlet: Any) -> Record:
    if isinstance(inlet, Asset):
        extra = (
            _get_newest_event(name=inlet.name, uri=inlet.uri)
            if parse_entity_id(inlet.uri)
            else None
        )
        return _create_record(Origin.INLET, inlet.name, inlet.uri, extra and extra.extra)
    if isinstance(inlet, AssetUriRef):
        event = _get_newest_event(uri=inlet.uri) if parse_entity_id(inlet.uri) else None
        return _create_record(Origin.INLET, inlet.uri, inlet.uri, event and event.extra)
    if isinstance(inlet, AssetNameRef | AssetAlias):
        named = isinstance(inlet, AssetNameRef)
        event = (
            _get_newest_event(name=inlet.name) if named else _get_newest_event(alias=inlet.name)
        )
        if event is None:
            return Record().with_gap(f"the inlet {inlet.name}: no event says what it is")
        return _create_record(Origin.INLET, event.asset.name, event.asset.uri, event.extra)
    return Record()


def _get_newest_event(
    name: str | None = None, uri: str | None = None, alias: str | None = None
) -> Any:
    """Ask Airflow for the newest event of an asset; None when there was none yet."""
    events = InletEventsAccessor(asset_name=name, asset_uri=uri, alias_name=alias)
    found = list(events.ascending(False).limit(1))
    return found[0] if found else None


def _create_record(seen: Origin, name: str, uri: str, extra: Mapping[str, Any] | None) -> Record:
    entity = parse_entity_id(uri)
    if entity is not None:
        known = EntityRef.parse(entity)
        version = _parse_version(extra or {}) or known.version
        return Record.from_refs(seen, used=[EntityRef(known.id, version)])
    if urlsplit(uri).scheme:
        url = UrlRef(_without_credentials(uri), name if name != uri else None)
        return Record.from_refs(seen, used=[url])
    return Record().with_gap(f"the asset {name} has no address")


def _parse_version(extra: Mapping[str, Any]) -> int | None:
    """Find the version in an event's extra; a trigger's event carries it one level down."""
    payload = extra.get("payload") if extra.get("from_trigger") else None
    found = extra.get("version", payload.get("version") if isinstance(payload, dict) else None)
    try:
        return int(found) if found is not None else None
    except (TypeError, ValueError):
        return None


def _without_credentials(url: str) -> str:
    """Drop who asks, from an address that object storage paths write as `s3://conn@bucket`."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
