"""Texts of drawings: the two lines of a node, its tooltip, and the words for kinds and roles."""

import unicodedata

from synapse_workflows.drawing.graph import Edge, EdgeRole, Node, NodeKind

#: Words for the kinds of nodes.
KIND_NAMES: dict[NodeKind, str] = {
    "entity": "Entity",
    "url": "URL",
    "activity": "Activity",
    "task": "Task",
    "code": "Code",
}
#: Words for the roles of edges.
ROLE_NAMES: dict[EdgeRole, str] = {
    "used": "used",
    "executed": "executed",
    "generated": "generated",
    "gap": "not exactly known",
}
#: Number of columns of a line of a node; wide characters, for example Chinese, take two.
LINE_COLUMNS = 24


def format_lines(node: Node) -> tuple[str, str]:
    """Return the two lines of a node: its label, and its kind and detail, both shortened."""
    second = " · ".join(filter(None, (KIND_NAMES[node.kind], node.detail)))
    return shorten(node.label or node.id), shorten(second, LINE_COLUMNS + 4)


def format_tooltip(node: Node) -> str:
    """Return the complete texts of a node on several lines."""
    gaps = (f"Gap: {gap}" for gap in node.gaps)
    return "\n".join(filter(None, (node.label or node.id, node.detail, *gaps)))


def format_role(edge: Edge) -> str:
    """Return the text of an edge."""
    return edge.label or ROLE_NAMES[edge.role]


def shorten(text: str, columns: int = LINE_COLUMNS) -> str:
    """Shorten a text in the middle, so that its beginning and its end remain."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if _count_columns(text) <= columns:
        return text
    end = _take(text[::-1], columns // 3)[::-1]
    return f"{_take(text, columns - 1 - _count_columns(end))}…{end}"


def _take(text: str, columns: int) -> str:
    """Return the first characters that fit into a number of columns."""
    taken = ""
    for character in text:
        columns -= _count_columns(character)
        if columns < 0:
            break
        taken += character
    return taken


def _count_columns(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)
