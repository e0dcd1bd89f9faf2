"""Conversion of provenance that was read from Synapse to a graph for drawings."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from synapse_workflows.drawing.graph import Edge, Graph, Node
from synapse_workflows.drawing.url_node import create_url_node
from synapse_workflows.provenance.provenance_graph import (
    EntityVersion,
    ProvenanceGraph,
    Source,
    list_stated_gaps,
)
from synapse_workflows.provenance.record import EntityRef, Ref, UrlRef

#: Availability of a version -> what is not known about it.
AVAILABILITY_GAPS: Final = {
    "unreadable": "The entity is not readable with these credentials.",
    "trashed": "The entity is in the trash can.",
    "deleted": "The entity does not exist any more.",
    "version_deleted": "This version of the entity is deleted.",
}
#: Line of a description with the address of a task instance in the Airflow UI.
_TASK_URL = re.compile(r"^https?://\S+/dags/\S+/runs/\S+/tasks/\S+$", re.MULTILINE)


def to_drawing(graph: ProvenanceGraph) -> Graph:
    """Convert provenance to a graph for `synapse_workflows.drawing`.

    The IDs of nodes are `syn123.4`, `url:<URL>` and `activity:<ID>`.
    """
    executed = {
        source.ref for sources in graph.sources.values() for source in sources if source.executed
    }
    urls = {ref: ref for ref in graph.users if isinstance(ref, UrlRef)}
    nodes = [
        *(_create_entity_node(graph, entity) for entity in graph.entities.values()),
        *(_create_activity_node(graph.activities[each]) for each in graph.activities),
        *(
            create_url_node(_get_node_id(ref), ref.url, ref.name, is_code=ref in executed)
            for ref in urls
        ),
    ]
    return Graph.build(nodes, _iter_edges(graph), graph.notes)


def find_task_url(activity: Mapping[str, Any]) -> str | None:
    """Return the address of the Airflow task instance in the description of an Activity."""
    found = _TASK_URL.search(activity.get("description") or "")
    return found[0] if found else None


def create_portal_url(portal_url: str, ref: EntityRef) -> str:
    """Return the address of the page of an entity version on a Synapse portal."""
    suffix = "" if ref.version is None else f"/version/{ref.version}"
    return f"{portal_url.rstrip('/')}/Synapse:{ref.id}{suffix}"


def _create_entity_node(graph: ProvenanceGraph, entity: EntityVersion) -> Node:
    ref = entity.ref
    gaps = []
    if not entity.is_available:
        gaps.append(AVAILABILITY_GAPS[entity.availability])
    if ref.version is None and ref not in graph.roots:
        gaps.append("The version is not known.")
    if entity.is_open and ref not in graph.roots:
        gaps.append("This is an open version, not a snapshot: its content may have changed.")
    return Node(
        id=str(ref),
        kind="entity",
        label=entity.name or ref.id,
        detail=str(ref),
        url=create_portal_url(graph.portal_url, ref) if graph.portal_url else None,
        version=ref.version,
        gaps=tuple(gaps),
        attributes=_list_attributes(graph, entity),
        is_focus=ref in graph.roots,
    )


def _list_attributes(graph: ProvenanceGraph, entity: EntityVersion) -> dict[str, str]:
    content = entity.content
    continues = "continues beyond the depth of this walk" if entity.ref in graph.bounded else None
    values = {
        "Type": entity.type_name,
        "MD5": content.md5 if content else None,
        "Size": f"{content.size} bytes" if content and content.size is not None else None,
        "Modified": entity.modified_on,
        "Provenance": continues,
    }
    return {name: value for name, value in values.items() if value}


def _create_activity_node(activity: Mapping[str, Any]) -> Node:
    created = activity.get("createdOn")
    return Node(
        id=f"activity:{activity['id']}",
        kind="activity",
        label=activity.get("name") or f"activity {activity['id']}",
        task_url=find_task_url(activity),
        gaps=list_stated_gaps(activity),
        description=activity.get("description") or "",
        attributes={"Created": created} if created else {},
    )


def _iter_edges(graph: ProvenanceGraph) -> Iterator[Edge]:
    for activity_id, sources in graph.sources.items():
        for source in sources:
            yield _create_source_edge(source, f"activity:{activity_id}")
    for ref, activity_id in graph.generated_by.items():
        yield Edge(f"activity:{activity_id}", _get_node_id(ref), "generated")


def _create_source_edge(source: Source, activity: str) -> Edge:
    role = "executed" if source.executed else "used"
    if isinstance(source.ref, EntityRef) and source.ref.version is None:
        return Edge(_get_node_id(source.ref), activity, "gap", f"{role}, version unknown")
    return Edge(_get_node_id(source.ref), activity, "executed" if source.executed else "used")


def _get_node_id(ref: Ref) -> str:
    return f"url:{ref.url}" if isinstance(ref, UrlRef) else str(ref)
