"""What the events of a client say about the lineage of a task."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from synapse_workflows.client.core.events import Event, Ran, Read, Wrote
from synapse_workflows.constants import CONTAINERS
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.provenance.record import EntityRef, Origin, Record, UrlRef


class EventSource(Protocol):
    """Connection, lineage mode and repository endpoint of a client that emits events."""

    synapse_conn_id: str
    repoEndpoint: str  # noqa: N815 - names of the client attributes
    portalEndpoint: str  # noqa: N815
    lineage_required: bool

    @property
    def lineage_mode(self) -> LineageMode:
        """Sources of the Activities that the client writes."""


@dataclass
class EntityDetails:
    """Names, portals and properties of entities, for web pages and OpenLineage.

    Args:
        names: Name of each entity, by ID.
        portals: Base URL of the web portal, by repository endpoint.
        reused: IDs of the stored entities of which an existing version was kept.
        properties: `concrete_type` of each entity, and `md5`, `etag` or `columns` of a version,
            by ID and version.
        stored: The last event of each stored version, by ID and version.
    """

    names: dict[str, str] = field(default_factory=dict)
    portals: dict[str, str] = field(default_factory=dict)
    reused: dict[str, None] = field(default_factory=dict)
    properties: dict[tuple[str, int | None], dict[str, Any]] = field(default_factory=dict)
    stored: dict[tuple[str, int | None], Wrote] = field(default_factory=dict)

    def add(self, event: Event, site: str, portal: str) -> None:
        """Add what an event says about an entity.

        Args:
            event: Event of a client.
            site: Repository endpoint of the client.
            portal: Base URL of the web portal of the client.
        """
        if event.entity_id is not None:
            self.portals[site] = portal
            if event.name:
                self.names[event.entity_id] = event.name
            if isinstance(event, Wrote) and event.is_reused:
                self.reused[event.entity_id] = None
            elif isinstance(event, Wrote):
                self.reused.pop(event.entity_id, None)
            if isinstance(event, Wrote):
                self.stored.pop((event.entity_id, event.version), None)
                self.stored[event.entity_id, event.version] = event
            if not isinstance(event, Ran):
                self._add_properties(event)

    def find_stored(self, entity_id: str) -> Wrote | None:
        """Return the last event of a stored entity; None for another entity."""
        return next((e for k, e in reversed(self.stored.items()) if k[0] == entity_id), None)

    def find_below(self, entity_id: str) -> list[str]:
        """Return the IDs of the stored entities in a container, also in stored folders of it."""
        found = [entity_id]
        for parent in found:
            found += [k[0] for k, e in self.stored.items() if e.parent_id == parent]
        return list(dict.fromkeys(found[1:]))

    def rename(self, entity_id: str, name: str) -> None:
        """Set the name of a stored entity; ignore other entities."""
        for key, event in self.stored.items():
            if key[0] == entity_id:
                self.names[entity_id] = name
                self.stored[key] = replace(event, name=name)

    def discard(self, entity_id: str, version: int | None) -> bool:
        """Forget a deleted version, or all for None; return whether it was stored by the task."""
        keys = [k for k in self.stored if k[0] == entity_id and version in (None, k[1])]
        for key in keys:
            del self.stored[key]
        return bool(keys)

    def _add_properties(self, event: Read | Wrote) -> None:
        known: dict[str, Any] = {"concrete_type": event.concrete_type}
        if isinstance(event, Wrote):
            known["md5"] = event.md5
        else:
            known |= {"etag": event.etag, "columns": event.columns or None}
        properties = self.properties.setdefault((str(event.entity_id), event.version), {})
        properties |= {name: value for name, value in known.items() if value is not None}


def create_record(event: Event, site: str) -> Record:
    """Return a record of what a client read or ran. A container that was read is not an input."""
    if isinstance(event, Wrote):
        return Record()
    refs: list[EntityRef | UrlRef] = []
    if event.entity_id is not None:
        ref = EntityRef(event.entity_id, event.version, site)
        if isinstance(event, Read) and event.is_open:
            ref = ref.as_open(event.etag, datetime.now(UTC))
        refs.append(ref)
    elif event.url is not None:
        refs.append(UrlRef(event.url, event.name))
    if isinstance(event, Ran):
        return Record.from_refs(Origin.CODE, ran=refs)
    if event.concrete_type in CONTAINERS:
        return Record()
    return Record.from_refs(Origin.LOOKUP if event.is_lookup else Origin.READ, used=refs)
