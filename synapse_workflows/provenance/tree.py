"""Text trees of provenance: from a result to its sources, and from a source to its results.

summary.csv (syn12.1)
└─ flow.store
   │  Airflow run manual__2026-11-22
   ├─ used      raw.csv (syn10.3)
   │            └─ ...
   └─ executed  flow.py (sha256 0f3a...)

raw.csv (syn10.3)
└─ used by      flow.store
                └─ generated  summary.csv (syn12.1)
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from synapse_workflows.client.core.session import Session
from synapse_workflows.provenance.provenance_graph import ProvenanceGraph, Source
from synapse_workflows.provenance.record import EntityRef, Ref, UrlRef
from synapse_workflows.provenance.walk import DEFAULT_DEPTH, walk_provenance

#: Availability of a version -> how it is shown.
AVAILABILITY_TEXT: Final = {
    "unreadable": "not readable",
    "trashed": "in the trash can",
    "deleted": "deleted",
    "version_deleted": "this version is deleted",
}


def render_tree(
    syn: Session,
    entity: Any,
    version: int | str | None = None,
    *,
    depth: int | None = DEFAULT_DEPTH,
) -> str:
    """Render the sources of an entity version as text.

    Args:
        syn: Client with permission to read the entity.
        entity: ID such as ``syn123`` or ``syn123.4``, or an entity.
        version: Version; None for the version in the ID, or the current version.
        depth: Maximum number of Activities in a chain, at least 1; None for all. The tree shows
            `...` where a chain continues.

    Returns:
        Lines of text, without a trailing newline.

    Raises:
        ValueError: An argument is invalid.
        SynapseHTTPError: The entity itself cannot be read.
    """
    return format_sources(walk_provenance(syn, entity, version, depth=depth))


def format_sources(graph: ProvenanceGraph) -> str:
    """Format the sources of the roots of a graph as a text tree."""
    renderer = _TreeRenderer(graph)
    return "\n".join(renderer.render(renderer.expand_sources))


def format_results(graph: ProvenanceGraph) -> str:
    """Format what was made from the roots of a graph as a text tree."""
    renderer = _TreeRenderer(graph)
    return "\n".join(renderer.render(renderer.expand_results))


class _Branch(NamedTuple):
    """A version whose branch is not rendered yet.

    Args:
        ref: The version.
        indent: Prefix of each line of the branch.
    """

    ref: EntityRef
    indent: str


#: Lines, and branches to render between them.
_Lines = list[str | _Branch]


class _TreeRenderer:
    """Renderer of one tree. The branch of a repeated version is rendered once.

    The branches are on a stack, because a chain may be longer than the recursion limit.
    """

    def __init__(self, graph: ProvenanceGraph) -> None:
        self.graph = graph
        self.rendered: set[Ref] = set()

    def render(self, expand: Callable[[EntityRef, str], _Lines]) -> Iterator[str]:
        """Render the roots and their branches."""
        stack: _Lines = []
        for root in reversed(self.graph.roots):
            stack += [_Branch(root, ""), self._format_ref(root)]
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                yield item
            elif item.ref in self.rendered:
                yield f"{item.indent}└─ (shown above)"
            else:
                self.rendered.add(item.ref)
                stack += reversed(expand(*item))

    def expand_sources(self, ref: EntityRef, indent: str) -> _Lines:
        """Return the Activity of a version, and its sources."""
        if ref in self.graph.bounded:
            return [f"{indent}└─ ..."]
        activity_id = self.graph.generated_by.get(ref)
        if activity_id is None:
            return [f"{indent}└─ (no Activity)"]
        sources = self.graph.sources[activity_id]
        lines: _Lines = [f"{indent}└─ {self._get_name(activity_id)}"]
        margin = "   │" if sources else "    "
        description = self.graph.activities[activity_id].get("description") or ""
        lines += [f"{indent}{margin}  {line}".rstrip() for line in description.splitlines()]
        known = self.graph.generated_by.keys() | self.graph.bounded
        for number, (source, executed) in enumerate(sources, start=1):
            last = number == len(sources)
            head, margin = _indent(
                f"{indent}   ", "executed" if executed else "used    ", last=last
            )
            lines.append(f"{head}{self._format_ref(source)}")
            if source in known and isinstance(source, EntityRef):
                lines.append(_Branch(source, margin))
        return lines

    def expand_results(self, ref: EntityRef, indent: str) -> _Lines:
        """Return the Activities that used a version, and what they generated."""
        lines: _Lines = [f"{indent}└─ ..."] if ref in self.graph.bounded else []
        users = self.graph.users.get(ref, ())
        known = self.graph.users.keys() | self.graph.bounded
        for number, activity_id in enumerate(users, start=1):
            is_used = Source(ref, executed=False) in self.graph.sources[activity_id]
            role = "used by    " if is_used else "executed by"
            head, margin = _indent(indent, role, last=number == len(users))
            lines.append(f"{head}{self._get_name(activity_id)}")
            generated = self.graph.generated.get(activity_id, ())
            for count, result in enumerate(generated, start=1):
                last = count == len(generated)
                head, inner = _indent(margin, "generated", last=last)
                lines.append(f"{head}{self._format_ref(result)}")
                if result in known:
                    lines.append(_Branch(result, inner))
        return lines

    def _get_name(self, activity_id: str) -> str:
        name = " ".join((self.graph.activities[activity_id].get("name") or "").split())
        return name or f"activity {activity_id}"

    def _format_ref(self, ref: Ref) -> str:
        """Return the label of a source or result."""
        if isinstance(ref, UrlRef):
            return _format_url(ref)
        entity = self.graph.entities.get(ref)
        name = entity.name if entity is not None else None
        label = f"{name} ({ref})" if name else str(ref)
        if entity is None or entity.is_available:
            return label
        return f"{label} ({AVAILABILITY_TEXT[entity.availability]})"


def _indent(indent: str, role: str, *, last: bool) -> tuple[str, str]:
    """Return the start of the line of a branch, and the indent of the lines below it.

    Args:
        indent: Indent of the branch.
        role: Role, padded to the width of the other roles of the branch.
        last: Whether the branch is the last one below its parent.
    """
    head = f"{indent}{'└─' if last else '├─'} {role}  "
    return head, f"{indent}{' ' if last else '│'}{' ' * (len(role) + 4)}"


def _format_url(ref: UrlRef) -> str:
    name = " ".join((ref.name or "").split())
    if name in ("", ref.url):
        return ref.url
    # A file URL contains no location; the name contains the hash of the content of the file.
    return name if ref.url.startswith("file:") else f"{name} <{ref.url}>"
