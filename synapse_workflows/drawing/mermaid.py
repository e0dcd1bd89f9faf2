"""Mermaid flowchart of a graph, for README files and issues of GitHub."""

from collections.abc import Mapping, Sequence

from synapse_workflows.drawing.blocks import Block, build_blocks
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

    Nodes with the same neighbours are a subgraph with one edge: Mermaid draws at most 500 edges.

    Returns:
        Lines of text without a code fence, with a newline at the end. All texts are escaped.

    Source: https://mermaid.js.org/syntax/flowchart.html
    """
    names = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    blocks, edges = build_blocks(graph)
    block_names = [
        f"g{number}" if block.is_group else names[block.nodes[0].id]
        for number, block in enumerate(blocks)
    ]
    lines = [f"%% {' '.join(note.split())}" for note in graph.notes]
    for name, block in zip(block_names, blocks, strict=True):
        lines += _format_block(name, block, names)
    for edge in edges:
        arrow = "-.->" if edge.edge.role == "gap" else "-->"
        text = _escape(format_role(edge.edge))
        lines.append(f'{block_names[edge.source]} {arrow}|"{text}"| {block_names[edge.target]}')
    lines += [
        f'click {names[node.id]} href "{_escape_url(node.url)}"'
        for node in graph.nodes
        if node.url and is_link(node.url)
    ]
    gaps = [names[node.id] for node in graph.nodes if node.gaps]
    focus = [names[node.id] for node in graph.nodes if node.is_focus]
    lines += _format_class("gap", "stroke-dasharray: 5 3", gaps)
    lines += _format_class("focus", "stroke-width: 3px", focus)
    return "\n".join(["flowchart LR", *(f"    {line}" for line in lines)]) + "\n"


def _format_block(name: str, block: Block, names: Mapping[str, str]) -> list[str]:
    """Return the lines of a node, or of a subgraph of several nodes."""
    nodes = [f"{names[node.id]}{_format_node(node)}" for node in block.nodes]
    if not block.is_group:
        return nodes
    return [f'subgraph {name}["{len(nodes)} nodes"]', "direction LR", *nodes, "end"]


def _format_class(name: str, style: str, nodes: Sequence[str]) -> list[str]:
    """Return the lines that define a style and assign it to nodes; none without nodes."""
    return [f"classDef {name} {style}", f"class {','.join(nodes)} {name}"] if nodes else []


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
