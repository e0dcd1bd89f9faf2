"""Scan of a project or folder: all entity versions in it, and their Activities."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

from synapse_workflows.client.api import children
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseForbiddenError, SynapseNotFoundError
from synapse_workflows.client.model.argument_types import EntityTypeName
from synapse_workflows.client.model.ids import parse_entity_id
from synapse_workflows.constants import CONTAINERS, FILE, ROOT_ENTITY, TABLE, VIEWS
from synapse_workflows.provenance.provenance_graph import iter_sources
from synapse_workflows.provenance.provenance_reader import ProvenanceReader
from synapse_workflows.provenance.record import EntityRef

#: Types of entities that have versions.
VERSIONED_TYPES: Final = frozenset({FILE, TABLE, *VIEWS})
_CHILD_TYPES: Final[tuple[EntityTypeName, ...]] = (
    "folder", "file", "table", "entityview", "submissionview", "dataset", "datasetcollection",
    "materializedview",
)  # fmt: skip


def find_container(reader: ProvenanceReader, entity_id: str) -> str:
    """Return the ID of the outermost readable container of an entity, usually its project.

    Source:
        GET /entity/{id}/path, POST /entity/header
    """
    path: list[dict[str, Any]] = reader.syn.call("GET", f"/entity/{entity_id}/path").object["path"]
    ancestors = [EntityRef(str(each["id"])) for each in path if each["id"] != ROOT_ENTITY]
    found = reader.read_entities(ancestors).values()
    return next((each.ref.id for each in found if each.is_available), entity_id)


@dataclass(frozen=True)
class ContainerScan:
    """All versions in a container, and their Activities.

    Args:
        reader: The reader that was used.
        container: Header of the container: `id`, `name`, `type`.
        entities: ID -> header of each entity with versions.
        versions: ID -> the scanned versions, newest first.
        activities: Version -> its Activity, without credentials.
        notes: Sentences about what could not be read.
    """

    reader: ProvenanceReader
    container: Mapping[str, Any]
    entities: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, tuple[EntityRef, ...]]
    activities: Mapping[EntityRef, Mapping[str, Any]]
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, reader: ProvenanceReader, container: Any, *, all_versions: bool = True) -> Self:
        """Scan a project or folder, or a single entity.

        Args:
            reader: Reader of the Activities.
            container: Project, folder or other entity, or its ID.
            all_versions: Whether to scan all versions of files; otherwise the current ones. All
                versions of tables and views are scanned, because the current one is open.

        Raises:
            ValueError: `container` is not an entity.
            SynapseNotFoundError: The container does not exist, or is in the trash can.
            SynapseForbiddenError: The caller may not read the container.

        Source:
            POST /entity/children, GET /entity/{id}/version
        """
        container_id = parse_entity_id(container).id
        header = reader.syn.call("GET", f"/entity/{container_id}/type").object
        found, notes = _list_entities(reader, header)
        versions: dict[str, tuple[EntityRef, ...]] = {
            entity_id: (EntityRef(entity_id, int(each["versionNumber"])),)
            for entity_id, each in found.items()
        }
        several = [
            ref
            for (ref, *_) in versions.values()
            if ref.version != 1 and (all_versions or found[ref.id]["type"] != FILE)
        ]
        for ref, numbers in reader.map(lambda ref: _list_versions(reader.syn, ref), several):
            versions[ref.id] = numbers or (ref,)
        refs = [ref for each in versions.values() for ref in each]
        return cls(reader, header, found, versions, reader.read_activities(refs), notes)

    @cached_property
    def users(self) -> dict[EntityRef, dict[str, Mapping[str, Any]]]:
        """Version -> the Activities that used or executed it, by ID."""
        found: defaultdict[EntityRef, dict[str, Mapping[str, Any]]] = defaultdict(dict)
        for activity in self.activities.values():
            for source in iter_sources(activity):
                if isinstance(source.ref, EntityRef):
                    found[source.ref][str(activity["id"])] = activity
        return dict(found)

    @property
    def description(self) -> str:
        """Name, ID and size of the container."""
        count = sum(len(each) for each in self.versions.values())
        return (
            f"{self.container['name']} ({self.container['id']}, "
            f"{len(self.entities)} entities, {count} versions)"
        )

    def find_users(self, refs: Iterable[EntityRef]) -> dict[str, Mapping[str, Any]]:
        """Return the Activities that used or executed one of the versions, by ID."""
        found: dict[str, Mapping[str, Any]] = {}
        for ref in refs:
            found.update(self.users.get(ref, {}))
        return found

    def read_generated(self, activities: Mapping[str, Any]) -> dict[EntityRef, str]:
        """Return the readable versions that Activities generated, also outside the container.

        Source:
            GET /activity/{id}/generated
        """
        found: dict[EntityRef, str] = {}
        for activity_id, refs in self.reader.map(self._list_generated, list(activities)):
            found.update(dict.fromkeys(refs, activity_id))
        return found

    def _list_generated(self, activity_id: str) -> list[EntityRef]:
        call = Call("GET", f"/activity/{activity_id}/generated")
        try:
            items = list(self.reader.syn.iter_items(call))
        except (SynapseForbiddenError, SynapseNotFoundError):
            return []
        return [
            EntityRef(str(item["targetId"]), int(item["targetVersionNumber"])) for item in items
        ]


def _list_entities(
    reader: ProvenanceReader, container: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Return the entities with versions in a container, and what could not be read."""
    found: dict[str, dict[str, Any]] = {}
    notes = []
    level = [dict(container)]
    while level:
        found.update((each["id"], each) for each in level if each["type"] in VERSIONED_TYPES)
        folders = [each["id"] for each in level if each["type"] in CONTAINERS]
        level = []
        for folder, headers in reader.map(lambda each: _list_children(reader.syn, each), folders):
            if headers is None:
                notes.append(f"The children of {folder} are not readable.")
            level.extend(headers or ())
    return found, tuple(notes)


def _list_children(syn: Session, container: str) -> list[dict[str, Any]] | None:
    """Return the headers of the children of a container; None if they are not readable."""
    try:
        return list(children.getChildren(syn, container, includeTypes=_CHILD_TYPES))
    except (SynapseForbiddenError, SynapseNotFoundError):
        return None


def _list_versions(syn: Session, ref: EntityRef) -> tuple[EntityRef, ...]:
    """Return all versions of an entity, newest first."""
    try:
        items = list(syn.iter_items(Call("GET", f"/entity/{ref.id}/version")))
    except (SynapseForbiddenError, SynapseNotFoundError):
        return ()
    return tuple(EntityRef(ref.id, int(item["versionNumber"])) for item in items)
