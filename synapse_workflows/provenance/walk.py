"""Walk along the provenance of an entity version: to its sources, or to what was made from it."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.ids import parse_entity_id, parse_version_number
from synapse_workflows.provenance.container_scan import ContainerScan, find_container
from synapse_workflows.provenance.provenance_graph import (
    EntityVersion,
    ProvenanceGraph,
    iter_sources,
)
from synapse_workflows.provenance.provenance_reader import Progress, ProvenanceReader
from synapse_workflows.provenance.record import EntityRef

Direction = Literal["upstream", "downstream", "both"]
#: Default number of Activities in a chain.
DEFAULT_DEPTH: Final = 8
#: Depth of a walk to the first sources.
_NO_LIMIT: Final = sys.maxsize
#: Versions that a note names.
_SHOWN: Final = 5


def walk_provenance(
    syn: Session,
    entity: Any,
    version: int | str | None = None,
    *,
    direction: Direction = "upstream",
    depth: int | None = DEFAULT_DEPTH,
    within: Any = None,
    details: bool = False,
    progress: Progress | None = None,
) -> ProvenanceGraph:
    """Read the provenance of an entity version, with exact versions. Each version is read once.

    Upstream, the walk follows the used and executed entities of Activities. It sends one request
    for the Activity of each version, and one request for up to 50 headers of entities.

    Downstream, it follows the Activities that used or executed a version, to the versions that
    they generated. Synapse has no request for this direction. Therefore the walk reads the
    Activities of all versions in a container first; `notes` of the result name the container.

    Args:
        syn: Client with permission to read the entity.
        entity: ID such as ``syn123`` or ``syn123.4``, or an entity.
        version: Version number; None for the version of `entity`, or else the current version.
        direction: ``upstream``, ``downstream`` or ``both``.
        depth: Maximum number of Activities in a chain, at least 1; None for all. Where a chain
            continues, the version is in `bounded` of the result.
        within: Project or folder to search for downstream versions, or its ID; None for the
            project of the entity.
        details: Whether to read the MD5 and size of files: one more request for each file.
        progress: Called with the number of completed and of known requests.

    Returns:
        The graph. Sources that are deleted, in the trash can or not readable are marked; see
        `EntityVersion.availability`.

    Raises:
        ValueError: An argument is invalid.
        SynapseNotFoundError: The entity itself does not exist, or is in the trash can.
        SynapseForbiddenError: The caller may not read the entity itself.

    Source:
        GET /entity/{id}/version/{versionNumber}/generatedBy, POST /entity/header;
        downstream: POST /entity/children, GET /entity/{id}/version, GET /activity/{id}/generated
    """
    if direction not in ("upstream", "downstream", "both"):
        raise ValueError(
            f"Invalid direction {direction!r}: expected 'upstream', 'downstream' or 'both'."
        )
    limit = _parse_depth(depth)
    reader = ProvenanceReader(syn, details=details, progress=progress)
    target = parse_entity_id(entity)
    own = entity.get("versionNumber") if isinstance(entity, Mapping) else target.version
    number = own if version is None else version
    root = reader.resolve(
        EntityRef(target.id, None if number is None else parse_version_number(number))
    )
    walk = _Walk(reader, root, limit)
    if direction != "downstream":
        walk.read_upstream()
    if direction != "upstream":
        walk.read_downstream(within)
    return walk.finish()


def _parse_depth(depth: Any) -> int:
    """Return the maximum number of Activities in a chain.

    Raises:
        ValueError: The depth is invalid.
    """
    if depth is None:
        return _NO_LIMIT
    if not isinstance(depth, int) or isinstance(depth, bool) or depth < 1:
        raise ValueError(f"Invalid depth {depth!r}: expected an integer of at least 1, or None.")
    return depth


@dataclass
class _Walk:
    """State of one walk; see `ProvenanceGraph`."""

    reader: ProvenanceReader
    root: EntityRef
    depth: int
    entities: dict[EntityRef, EntityVersion] = field(default_factory=dict)
    activities: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    generated_by: dict[EntityRef, str] = field(default_factory=dict)
    bounded: set[EntityRef] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def read_upstream(self) -> None:
        """Read the sources of the root, level by level."""
        level = [self.root]
        for _ in range(self.depth):
            found = self.reader.read_activities(self._read(level))
            for ref, activity in found.items():
                self._add(ref, activity)
            sources = (
                source.ref for activity in found.values() for source in iter_sources(activity)
            )
            level = [
                ref
                for ref in dict.fromkeys(sources)
                if isinstance(ref, EntityRef) and ref not in self.entities
            ]
            if not level:
                return
        for ref, activity in self.reader.read_activities(self._read(level)).items():
            if str(activity["id"]) in self.activities:
                self._add(ref, activity)
            else:
                self.bounded.add(ref)

    def read_downstream(self, within: Any) -> None:
        """Search a container for what was made from the root, level by level."""
        container = find_container(self.reader, self.root.id) if within is None else within
        scan = ContainerScan.read(self.reader, container)
        self.notes.append(
            f"Versions made from {self.root} were searched in {scan.description}: Synapse has no "
            "request for the Activities that used a version."
        )
        self.notes.extend(scan.notes)
        level, seen = [self.root], {self.root}
        for _ in range(self.depth):
            activities = scan.find_users(level)
            generated = scan.read_generated(activities)
            for activity in activities.values():
                self.activities[str(activity["id"])] = activity
            self.generated_by.update(generated)
            level = [ref for ref in generated if ref not in seen]
            seen.update(level)
            if not level:
                break
        else:
            self.bounded.update(ref for ref in level if scan.find_users([ref]))
        sources = (
            source.ref
            for activity in self.activities.values()
            for source in iter_sources(activity)
        )
        refs = {ref for ref in sources if isinstance(ref, EntityRef)} | self.generated_by.keys()
        self._read(sorted(refs | {self.root}, key=str))

    def finish(self) -> ProvenanceGraph:
        """Return the graph."""
        if self.bounded:
            shown = sorted(str(ref) for ref in self.bounded)
            names = shown if len(shown) <= _SHOWN else [*shown[:_SHOWN], "..."]
            self.notes.append(
                f"The depth of the walk is {self.depth}. The provenance continues at "
                f"{len(shown)} version{'s' if len(shown) > 1 else ''}: {', '.join(names)}."
            )
        return ProvenanceGraph(
            roots=(self.root,),
            entities=self.entities,
            activities=self.activities,
            generated_by=self.generated_by,
            bounded=frozenset(self.bounded),
            notes=tuple(dict.fromkeys(self.notes)),
            portal_url=self.reader.syn.portalEndpoint,
        )

    def _read(self, refs: Iterable[EntityRef]) -> list[EntityRef]:
        """Read versions unless they were read before; return those that are available."""
        wanted = list(refs)
        unread = [ref for ref in wanted if ref not in self.entities]
        self.entities.update(self.reader.read_entities(unread))
        return [ref for ref in wanted if self.entities[ref].is_available]

    def _add(self, ref: EntityRef, activity: Mapping[str, Any]) -> None:
        self.activities[str(activity["id"])] = activity
        self.generated_by[ref] = str(activity["id"])
