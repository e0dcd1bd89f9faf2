"""HTML page of a graph: an interactive drawing, and a list of the same nodes and edges.

The page loads the files in `STATIC_DIR` from a URL prefix of the same server, and nothing from
other hosts. Serve it with the header `Content-Security-Policy: CONTENT_SECURITY_POLICY`. Without
JavaScript it shows the SVG drawing instead of the interactive one.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from synapse_workflows.drawing.blocks import NODE_HEIGHT, NODE_WIDTH
from synapse_workflows.drawing.graph import Graph
from synapse_workflows.drawing.graph_layout import Layout, compute_layout
from synapse_workflows.drawing.labels import format_lines
from synapse_workflows.drawing.svg import STATIC_DIR, Theme, render_svg_element
from synapse_workflows.drawing.template_environment import get_environment

#: Policy for pages: scripts and styles of this server only, no inline ones, and no other hosts.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'"
)
#: Text to display instead of a graph without nodes.
EMPTY = "There is no provenance to show."


def render_page(
    graph: Graph,
    *,
    title: str,
    subtitle: str = "",
    static_url: str | None = "static",
    links: Mapping[str, str] | None = None,
    theme: Theme = "auto",
    scripts: Sequence[str] = (),
    empty: str = EMPTY,
) -> str:
    """Render a complete HTML page of a graph.

    Args:
        graph: Graph to draw.
        title: Title of the page, as plain text.
        subtitle: Line below the title, as plain text; may be empty.
        static_url: URL prefix of `STATIC_DIR`, relative or absolute, without a trailing slash.
            None for a single file to be opened from disk: with styles, without JavaScript.
        links: Further links in the heading, from text to http(s) URL.
        theme: Colours.
        scripts: URLs of further scripts of this server, for example of the frame in which Airflow
            shows the page.
        empty: Text to display instead of a graph without nodes.

    Returns:
        HTML, to be encoded as UTF-8. All texts are escaped.
    """
    template = get_environment().get_template("page.html")
    return template.render(
        title=title,
        subtitle=subtitle,
        head=render_head(static_url),
        links=links or {},
        theme=theme,
        scripts=scripts,
        drawing=render_drawing(graph, empty=empty),
    )


def render_head(static_url: str | None) -> Markup:
    """Render the elements that `render_drawing` needs in the head of a page.

    Args:
        static_url: As in `render_page`.
    """
    names = ("graph.css", "page.css")
    css = "" if static_url else "\n".join((STATIC_DIR / name).read_text("utf-8") for name in names)
    html = (
        get_environment()
        .get_template("head.html")
        .render(
            static_url=static_url,
            css=Markup(css),  # noqa: S704 - files of this package
        )
    )
    return Markup(html)  # noqa: S704 - escaped by the template


def render_drawing(graph: Graph, *, title: str = "Drawing", empty: str = EMPTY) -> Markup:
    """Render the part of a page that shows a graph, for pages with other content.

    A page contains one drawing, and `render_head` in its head.

    Args:
        graph: Graph to draw.
        title: Heading of the drawing, as plain text.
        empty: Text to display instead of a graph without nodes.
    """
    layout = compute_layout(graph)
    html = (
        get_environment()
        .get_template("drawing.html")
        .render(
            graph=graph,
            title=title,
            empty=empty,
            has_gaps=_has_gaps(graph),
            svg=render_svg_element(graph, layout, title=title),
            data=_create_drawing_data(graph, layout),
            **_describe_connections(graph),
        )
    )
    return Markup(html)  # noqa: S704 - escaped by the template


def _create_drawing_data(graph: Graph, layout: Layout) -> dict[str, Any]:
    """Return the JSON that `graph.js` reads; nodes are given by their index in the graph."""
    index = {node.id: number for number, node in enumerate(graph.nodes)}
    nodes: list[Any] = [None] * len(index)
    for placed in layout.nodes:
        nodes[index[placed.node.id]] = {
            "kind": placed.node.kind,
            "lines": format_lines(placed.node),
            "position": _round(placed.x, placed.y),
            "focus": placed.node.is_focus,
            "gap": bool(placed.node.gaps),
        }
    return {
        "size": _round(layout.width, layout.height),
        "nodeSize": [NODE_WIDTH, NODE_HEIGHT],
        "nodes": nodes,
        "frames": [[*_round(f.x, f.y), *_round(f.width, f.height)] for f in layout.frames],
        "routes": [
            {
                "role": route.edge.role,
                "sources": [index[node.id] for node in route.sources],
                "targets": [index[node.id] for node in route.targets],
                "points": [_round(*point) for point in route.points],
            }
            for route in layout.routes
        ],
    }


def _has_gaps(graph: Graph) -> bool:
    return any(node.gaps for node in graph.nodes) or any(e.role == "gap" for e in graph.edges)


def _describe_connections(graph: Graph) -> dict[str, Any]:
    """Return the edges of each node by its ID, and the anchors of the nodes in the page."""
    nodes = {node.id: node for node in graph.nodes}
    incoming: dict[str, list[Any]] = defaultdict(list)
    outgoing: dict[str, list[Any]] = defaultdict(list)
    for edge in graph.edges:
        incoming[edge.target].append((edge, nodes[edge.source]))
        outgoing[edge.source].append((edge, nodes[edge.target]))
    anchors = {node.id: f"node-{number}" for number, node in enumerate(graph.nodes)}
    return {"incoming": incoming, "outgoing": outgoing, "anchors": anchors}


def _round(*values: float) -> list[int]:
    return [round(value) for value in values]
