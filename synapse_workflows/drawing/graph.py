"""Values of a provenance graph: nodes, edges and notes.

Edges follow the flow of data, from left to right in a drawing:

    input --used--> activity --generated--> stored entity
    code --executed--> activity

The values are independent of Synapse and Airflow. Texts and URLs must be redacted before a
graph is created; the drawings only escape them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self
from urllib.parse import urlsplit

#: `entity`: a version of a Synapse entity; `url`: an object outside Synapse; `activity`: a Synapse
#: Activity; `task`: an Airflow task instance without an Activity of its own; `code`: a program
#: that was executed, for example a file of a commit or a container image.
NodeKind = Literal["entity", "url", "activity", "task", "code"]
#: `gap`: a connection of which something is unknown, for example the version that was read.
EdgeRole = Literal["used", "executed", "generated", "gap"]


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a provenance graph.

    Args:
        id: Identifier that is unique within the graph, for example `syn123.4` or `activity:42`.
        kind: Kind of the node.
        label: Name to display, for example the name of an entity. Any length, any characters.
        detail: Short second line, for example `syn123.4` or a task ID; may be empty.
        url: Address of the object, for example its page on the Synapse portal; None if unknown.
            Only http(s) URLs without user info become links, other text is displayed as text.
        task_url: Address of the task instance that the node belongs to; None if unknown.
        version: Version number of an entity; None if unknown.
        gaps: What is not known about this node, one sentence each. The node is marked.
        description: Longer text, for example the description of an Activity.
        attributes: Further facts in display order, for example `{"MD5": "..."}`.
        is_focus: Whether the node is one that the drawing is about. It is emphasised.
    """

    id: str
    kind: NodeKind
    label: str
    detail: str = ""
    url: str | None = None
    task_url: str | None = None
    version: int | None = None
    gaps: tuple[str, ...] = ()
    description: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    is_focus: bool = False

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON. Fields with default values are omitted."""
        values = {
            "id": self.id,
            "kind": self.kind,
            "label": self.label,
            "detail": self.detail,
            "url": self.url,
            "task_url": self.task_url,
            "version": self.version,
            "gaps": list(self.gaps),
            "description": self.description,
            "attributes": dict(self.attributes),
            "is_focus": self.is_focus,
        }
        required = ("id", "kind", "label")
        return {
            name: value
            for name, value in values.items()
            if name in required or value or (name == "version" and value is not None)
        }


@dataclass(frozen=True, slots=True)
class Edge:
    """A directed connection of two nodes.

    Args:
        source: ID of the node that the data comes from.
        target: ID of the node that the data goes to.
        role: What the source is to the target, or `gap`.
        label: Text to display instead of the role; may be empty.
    """

    source: str
    target: str
    role: EdgeRole
    label: str = ""

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON. An empty label is omitted."""
        values = {"source": self.source, "target": self.target, "role": self.role}
        return {**values, "label": self.label} if self.label else values


@dataclass(frozen=True, slots=True)
class Graph:
    """A provenance graph.

    Args:
        nodes: Nodes with unique IDs, in the order of lists and of equal positions in drawings.
        edges: Edges between these nodes, each once. Cycles are allowed.
        notes: Sentences about the whole graph, for example where a walk stopped.

    Raises:
        ValueError: Two nodes have the same ID, or an edge refers to a missing node.
    """

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ids = [node.id for node in self.nodes]
        known = set(ids)
        if len(known) < len(ids):
            twice = sorted({node_id for node_id in ids if ids.count(node_id) > 1})
            raise ValueError(f"Duplicate node IDs: {twice}. Merge these nodes with 'Graph.build'.")
        for edge in self.edges:
            missing = {edge.source, edge.target} - known
            if missing:
                raise ValueError(
                    f"Edge {edge.source!r} -> {edge.target!r} ({edge.role}) refers to missing "
                    f"nodes: {sorted(missing)}. Add these nodes to 'nodes'."
                )

    @classmethod
    def build(
        cls, nodes: Iterable[Node], edges: Iterable[Edge] = (), notes: Iterable[str] = ()
    ) -> Self:
        """Create a graph of nodes and edges that may be repeated.

        The first node with an ID is kept; it gets the gaps of the others, and is a focus if one
        of them is.
        """
        merged: dict[str, Node] = {}
        for node in nodes:
            first = merged.get(node.id)
            merged[node.id] = node if first is None else _merge(first, node)
        return cls(
            tuple(merged.values()), tuple(dict.fromkeys(edges)), tuple(dict.fromkeys(notes))
        )

    def merge(self, *others: "Graph") -> "Graph":
        """Return a graph of the nodes, edges and notes of this graph and other graphs."""
        graphs = (self, *others)
        return Graph.build(
            (node for graph in graphs for node in graph.nodes),
            (edge for graph in graphs for edge in graph.edges),
            (note for graph in graphs for note in graph.notes),
        )

    def to_json(self) -> dict[str, Any]:
        """Convert to JSON: `{"nodes": [...], "edges": [...], "notes": [...]}`."""
        return {
            "nodes": [node.to_json() for node in self.nodes],
            "edges": [edge.to_json() for edge in self.edges],
            "notes": list(self.notes),
        }


def is_link(url: str | None) -> bool:
    """Return whether a URL may become a link: http(s), with a host, without user info."""
    if not url:
        return False
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and "@" not in parts.netloc
            and not any(character.isspace() or character == "\\" for character in url)
        )
    except ValueError:
        return False


def _merge(first: Node, other: Node) -> Node:
    """Return the first node with the gaps and the emphasis of another one."""
    gaps = tuple(dict.fromkeys((*first.gaps, *other.gaps)))
    return replace(first, gaps=gaps, is_focus=first.is_focus or other.is_focus)
