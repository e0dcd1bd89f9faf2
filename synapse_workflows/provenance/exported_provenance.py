"""Provenance to export: the graph of an entity version, and the users in it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.core.redaction import redact_name, redact_text, redact_url
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseForbiddenError, SynapseNotFoundError
from synapse_workflows.constants import CONTAINERS
from synapse_workflows.provenance.activity import parse_source
from synapse_workflows.provenance.graph_drawing import AVAILABILITY_GAPS
from synapse_workflows.provenance.provenance_graph import EntityVersion, ProvenanceGraph
from synapse_workflows.provenance.record import EntityRef, Ref, UrlRef
from synapse_workflows.provenance.walk import walk_provenance

#: Parts of a UserBundle: the profile and the ORCID.
_PROFILE_AND_ORCID: Final = 3
#: Line in the description of the Activity of an Airflow task; see `lineage.activity_description`.
_AIRFLOW_RUN: Final = re.compile(r"^Airflow run \S+ of .+$", re.MULTILINE)

_ORCID: Final = re.compile(r"\b\d{4}-\d{4}-\d{4}-\d{3}[\dX]$")


@dataclass(frozen=True, slots=True)
class User:
    """A Synapse user. Unknown values are None.

    Args:
        id: ID of the user.
        user_name: User name.
        first_name: First name.
        last_name: Last name.
        orcid: URL of the ORCID record.
    """

    id: str
    user_name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    orcid: str | None = None

    @property
    def display_name(self) -> str:
        """First and last name; without them the user name, or else the ID."""
        names = " ".join(name for name in (self.first_name, self.last_name) if name)
        return names or self.user_name or f"Synapse user {self.id}"


@dataclass(frozen=True)
class ExportedProvenance:
    """The provenance of one entity version, as it is written to documents.

    Args:
        graph: Entity versions and Activities, upstream of the one root, in a fixed order.
        users: Users by ID.
        portal_url: Base URL of the web portal, without a trailing slash.
        repository_url: Base URL of the REST API, without a trailing slash.
    """

    graph: ProvenanceGraph
    users: Mapping[str, User]
    portal_url: str
    repository_url: str

    @property
    def root(self) -> EntityVersion:
        """The entity version whose provenance is exported."""
        return self.graph.entities[self.graph.roots[0]]

    @property
    def entities(self) -> list[EntityVersion]:
        """The entity versions, sorted by ID and version."""
        return list(self.graph.entities.values())

    @property
    def urls(self) -> list[UrlRef]:
        """The objects outside Synapse, sorted; one for each URL."""
        sources = (one.ref for each in self.graph.sources.values() for one in each)
        urls = {ref.url: ref for ref in sources if isinstance(ref, UrlRef)}
        return [urls[url] for url in sorted(urls)]

    @property
    def activities(self) -> list[Mapping[str, Any]]:
        """The Activities, sorted by ID."""
        return list(self.graph.activities.values())

    @property
    def inputs(self) -> list[Ref]:
        """The used sources that no Activity in the graph generated."""
        used = {ref: None for one in self.activities for ref in self.get_used(str(one["id"]))}
        return [ref for ref in used if ref not in self.graph.generated_by]

    @property
    def last_time(self) -> str:
        """The latest time of an entity version or an Activity, ISO 8601 in UTC."""
        times = [entity.modified_on for entity in self.entities]
        times += [activity.get("modifiedOn") for activity in self.activities]
        return max(format_time(time) or "" for time in times)

    def get_used(self, activity_id: str) -> list[Ref]:
        """Return the sources that an Activity used, each once."""
        return self._get_sources(activity_id, executed=False)

    def get_executed(self, activity_id: str) -> list[Ref]:
        """Return the code that an Activity executed; each once."""
        return self._get_sources(activity_id, executed=True)

    def get_generated(self, activity_id: str) -> tuple[EntityRef, ...]:
        """Return the entity versions in the graph that an Activity generated."""
        return self.graph.generated.get(activity_id, ())

    def get_label(self, ref: Ref) -> str:
        """Return a name of an entity version or a URL, with its ID."""
        if isinstance(ref, UrlRef):
            return str(ref)
        name = self.graph.entities[ref].name
        return f"{name} ({ref})" if name else str(ref)

    def get_entity_url(self, ref: EntityRef) -> str:
        """Return the URL of an entity version on the web portal."""
        return f"{self.portal_url}/Synapse:{ref}"

    def list_gaps(self, entity: EntityVersion) -> list[str]:
        """Return what is not known about an entity version, one sentence each."""
        gaps = []
        if not entity.is_available:
            gaps.append(AVAILABILITY_GAPS[entity.availability])
        elif entity.ref.version is None and entity.concrete_type not in CONTAINERS:
            gaps.append("The version is not known.")
        if entity.is_open:
            gaps.append("This is an open version, not a snapshot: its content may change.")
        if entity.ref in self.graph.bounded:
            gaps.append("The provenance of this version was not read.")
        return gaps

    def _get_sources(self, activity_id: str, *, executed: bool) -> list[Ref]:
        """Return the sources with the same role; a URL with several names is one source."""
        sources = (one.ref for one in self.graph.sources[activity_id] if one.executed is executed)
        by_key = {ref.url if isinstance(ref, UrlRef) else ref: ref for ref in sources}
        return list(by_key.values())


def read_provenance(
    syn: Session, entity: Any, version: int | str | None = None, *, depth: int | None = None
) -> ExportedProvenance:
    """Read the provenance of an entity version, without credentials.

    Args:
        syn: Client with permission to read the entity.
        entity: ID such as `syn123` or `syn123.4`, or an entity.
        version: Version number; None for the version of `entity`, or else the current version.
        depth: Maximum number of Activities in a chain, at least 1; None for all.

    Raises:
        ValueError: An argument is invalid.
        SynapseNotFoundError: The entity or the version does not exist.
        SynapseForbiddenError: The caller may not read the entity.

    Source:
        See `walk_provenance`; GET /user/{id}/bundle
        https://rest-docs.synapse.org/rest/GET/user/id/bundle.html
    """
    graph = _normalize(walk_provenance(syn, entity, version, depth=depth, details=True))
    ids = sorted(set(_iter_user_ids(graph)), key=int)
    users = dict(map_parallel(lambda user_id: _read_user(syn, user_id), ids, syn.max_threads))
    endpoints = (redact_url(url).rstrip("/") for url in (syn.portalEndpoint, syn.repoEndpoint))
    return ExportedProvenance(graph, users, *endpoints)


def is_airflow_activity(activity: Mapping[str, Any]) -> bool:
    """Return whether an Airflow task recorded an Activity."""
    return _AIRFLOW_RUN.search(activity.get("description") or "") is not None


def format_time(text: str | None) -> str | None:
    """Return a time in UTC and milliseconds, as `2026-11-22T10:00:00.000+00:00`."""
    if not text:
        return None
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="milliseconds")


def _normalize(graph: ProvenanceGraph) -> ProvenanceGraph:
    """Return a graph in a fixed order, without credentials: the sources of Synapse are a set."""
    entities = sorted(graph.entities, key=_sort_key)
    activities = sorted(graph.activities, key=int)
    return replace(
        graph,
        entities={ref: _redact_entity(graph.entities[ref]) for ref in entities},
        activities={each: _sort_sources(graph.activities[each]) for each in activities},
        generated_by={
            ref: graph.generated_by[ref] for ref in sorted(graph.generated_by, key=_sort_key)
        },
        notes=tuple(redact_text(note) for note in graph.notes),
        portal_url=redact_url(graph.portal_url) if graph.portal_url else None,
    )


def _redact_entity(entity: EntityVersion) -> EntityVersion:
    content = entity.content
    if content is not None and content.file_name is not None:
        content = replace(content, file_name=redact_name(content.file_name))
    name = None if entity.name is None else redact_name(entity.name)
    return replace(entity, name=name, content=content)


def _sort_sources(activity: Mapping[str, Any]) -> dict[str, Any]:
    return {**activity, "used": sorted(activity.get("used") or (), key=_source_sort_key)}


def _source_sort_key(item: Mapping[str, Any]) -> tuple[bool, bool, tuple[Any, ...]]:
    ref, executed = parse_source(item), bool(item.get("wasExecuted"))
    if isinstance(ref, UrlRef):
        return executed, True, (ref.url, ref.name or "")
    return executed, False, _sort_key(ref)


def _sort_key(ref: EntityRef) -> tuple[int, int]:
    return int(ref.id.removeprefix("syn")), ref.version or 0


def _iter_user_ids(graph: ProvenanceGraph) -> Iterator[str]:
    for entity in graph.entities.values():
        yield from (one for one in (entity.created_by, entity.modified_by) if one)
    for activity in graph.activities.values():
        yield from (str(activity[key]) for key in ("createdBy", "modifiedBy") if activity.get(key))


def _read_user(syn: Session, user_id: str) -> User:
    """Read a user; a user whose profile cannot be read has no name."""
    try:
        params = {"mask": _PROFILE_AND_ORCID}
        bundle = syn.call("GET", f"/user/{user_id}/bundle", params=params).object
    except (SynapseForbiddenError, SynapseNotFoundError):
        return User(user_id)
    profile = bundle.get("userProfile") or {}
    return User(
        user_id,
        user_name=profile.get("userName") or None,
        first_name=profile.get("firstName") or None,
        last_name=profile.get("lastName") or None,
        orcid=_to_orcid_url(bundle.get("ORCID")),
    )


def _to_orcid_url(orcid: str | None) -> str | None:
    """Return the URL of an ORCID record; None for other texts."""
    digits = _ORCID.search(orcid or "")
    return f"https://orcid.org/{digits[0]}" if digits else None
