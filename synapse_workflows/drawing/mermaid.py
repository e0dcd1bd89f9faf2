"""Mermaid flowchart of a graph, for README files and issues of GitHub."""

from synapse_workflows.drawing.graph import Graph, Node, NodeKind, is_link
from synapse_workflows.drawing.labels import KIND_NAMES, format_role

#: Brackets of the shapes of nodes.
_SHAPES: dict[NodeKind, tuple[str, str]] = {
    "entity": ("(", ")"),
    "url": ("[(", ")]"),
    "activity": ("([", "])"),
    "task": ("[", "]"),
    "code": ("[[", "]]"),
}
#: Characters that have a meaning in a quoted text of Mermaid, in HTML, or in Markdown.
_SPECIAL = frozenset('"#&<>\\`*_~|[]{}()')


def render_mermaid(graph: Graph) -> str:
    """Render a graph as a Mermaid flowchart from left to right.

    Returns:
        Lines of text without a code fence, with a newline at the end. All texts are escaped.

    Source: https://mermaid.js.org/syntax/flowchart.html
    """
    names = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    lines += [f"%% {' '.join(note.split())}" for note in graph.notes]
    lines += [f"{names[node.id]}{_format_node(node)}" for node in graph.nodes]
    for edge in graph.edges:
        arrow = "-.->" if edge.role == "gap" else "-->"
        text = _escape(format_role(edge))
        lines.append(f'{names[edge.source]} {arrow}|"{text}"| {names[edge.target]}')
    lines += [
        f'click {names[node.id]} href "{_escape_url(node.url)}"'
        for node in graph.nodes
        if node.url and is_link(node.url)
    ]
    gaps = [names[node.id] for node in graph.nodes if node.gaps]
    if gaps:
        lines += ["classDef gap stroke-dasharray: 5 3", f"class {','.join(gaps)} gap"]
    focus = [names[node.id] for node in graph.nodes if node.is_focus]
    if focus:
        lines += ["classDef focus stroke-width: 3px", f"class {','.join(focus)} focus"]
    first, rest = lines[0], lines[1:]
    return "\n".join([first, *(f"    {line}" for line in rest)]) + "\n"


def _format_node(node: Node) -> str:
    opening, closing = _SHAPES[node.kind]
    detail = " · ".join(filter(None, (KIND_NAMES[node.kind], node.detail)))
    texts = [node.label or node.id, detail, *(f"⚠ {gap}" for gap in node.gaps)]
    return f'{opening}"{"<br>".join(map(_escape, texts))}"{closing}'


def _escape(text: str) -> str:
    """Escape a text in quotes by entity codes, which Mermaid displays as the characters."""
    return "".join(f"#{ord(c)};" if c in _SPECIAL else c for c in " ".join(text.split()))


def _escape_url(url: str) -> str:
    return "".join(f"%{ord(c):02X}" if c in '"<>`\\' else c for c in url)
