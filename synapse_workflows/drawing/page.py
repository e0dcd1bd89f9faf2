"""HTML page of a provenance graph.

The page loads the files in `STATIC_DIR` from a URL prefix of the same server, and nothing from
other hosts. Serve it with the header `Content-Security-Policy: CONTENT_SECURITY_POLICY`.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from synapse_workflows.drawing.graph import Graph, is_link

#: Directory of the static files: JavaScript, CSS and the licence of the graph library.
STATIC_DIR = Path(__file__).parent / "static"
#: Policy for pages of `render_page`: no inline scripts, nothing from other hosts.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'"
)


def render_page(
    graph: Graph,
    *,
    title: str,
    subtitle: str = "",
    static_url: str | None = "static",
    links: Mapping[str, str] | None = None,
) -> str:
    """Render a complete HTML page of a graph: drawing, list of nodes, notes.

    Args:
        graph: Graph to draw.
        title: Title of the page, as plain text.
        subtitle: Line below the title, as plain text; may be empty.
        static_url: URL prefix of `STATIC_DIR`, relative or absolute, without a trailing slash.
            None writes the CSS into the page and leaves the JavaScript out: a single file that
            can be opened from disk and shows the static drawing.
        links: Further links in the heading, from text to URL, for example to the DAG run.

    Returns:
        HTML, to be encoded as UTF-8. All texts are escaped.
    """
    template = _get_environment().get_template("page.html")
    return template.render(
        title=title,
        subtitle=subtitle,
        static_url=static_url,
        links=links or {},
        drawing=render_drawing(graph),
    )


def render_drawing(graph: Graph) -> Markup:
    """Render the part of a page that shows a graph, for pages with other content."""
    return Markup(_get_environment().get_template("drawing.html").render(graph=graph))  # noqa: S704 - rendered with autoescape


@cache
def _get_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("synapse_workflows.drawing"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["link"] = is_link
    return environment
