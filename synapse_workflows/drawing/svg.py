"""SVG drawing of a graph, with links, tooltips, and light and dark colours."""

from pathlib import Path
from typing import Literal

from markupsafe import Markup

from synapse_workflows.drawing.blocks import NODE_HEIGHT, NODE_WIDTH
from synapse_workflows.drawing.graph import Graph
from synapse_workflows.drawing.graph_layout import Layout, compute_layout
from synapse_workflows.drawing.template_environment import get_environment

#: Directory of the static files: CSS, JavaScript, and the graph library with its licence.
STATIC_DIR = Path(__file__).parent / "static"
#: `auto` follows the setting of the viewer.
Theme = Literal["auto", "light", "dark"]


def render_svg(
    graph: Graph, *, title: str = "Provenance", description: str = "", theme: Theme = "auto"
) -> str:
    """Render a graph as an SVG document that contains its styles.

    Args:
        graph: Graph to draw.
        title: Accessible name of the drawing, as plain text.
        description: Accessible description, as plain text; empty for the number of nodes.
        theme: Colours.

    Returns:
        XML, to be encoded as UTF-8. All texts are escaped.
    """
    css = (STATIC_DIR / "graph.css").read_text(encoding="utf-8")
    layout = compute_layout(graph)
    svg = render_svg_element(
        graph, layout, title=title, description=description, css=css, theme=theme
    )
    return f"{svg}\n"


def render_svg_element(
    graph: Graph,
    layout: Layout,
    *,
    title: str,
    description: str = "",
    css: str = "",
    theme: Theme = "auto",
) -> Markup:
    """Render a graph as an SVG element. Without `css`, the page has to include `graph.css`."""
    svg = (
        get_environment()
        .get_template("graph.svg")
        .render(
            layout=layout,
            node_width=NODE_WIDTH,
            node_height=NODE_HEIGHT,
            title=title,
            description=description or describe_size(graph),
            css=Markup(css),  # noqa: S704 - a file of this package
            theme=theme,
        )
    )
    return Markup(svg)  # noqa: S704 - escaped by the template


def describe_size(graph: Graph) -> str:
    """Return a sentence with the number of nodes and edges."""
    return f"Graph of {len(graph.nodes)} nodes and {len(graph.edges)} edges."
