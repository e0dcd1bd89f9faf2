from html.parser import HTMLParser

from hypothesis import given
from support.graphs import create_chain, graphs

from synapse_workflows.drawing.graph import Edge, Graph, Node, is_link
from synapse_workflows.drawing.page import STATIC_DIR, render_page

EVIL = "</script><script>alert(1)</script>\"'&"


class PageParser(HTMLParser):
    """Parser that collects the IDs and the links of a page, without those of the drawing."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.is_drawing = [], [], False

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.is_drawing |= tag == "svg"
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "a" and not self.is_drawing:
            self.links.append(values["href"])

    def handle_endtag(self, tag):
        self.is_drawing &= tag != "svg"


def test_texts_are_escaped_and_only_http_urls_become_links():
    nodes = (
        Node("a", "entity", EVIL, EVIL, url="javascript:alert(1)"),
        Node("b", "activity", "run", url="https://example.org/?a=1&b='2'"),
    )
    html = render_page(Graph(nodes, (Edge("a", "b", "used"),), (EVIL,)), title=EVIL, subtitle=EVIL)
    assert "<script>alert" not in html
    assert 'href="javascript:' not in html
    assert 'href="https://example.org/?a=1&amp;b=&#39;2&#39;"' in html


@given(graphs())
def test_the_list_contains_every_node_and_edge_of_any_graph(graph):
    page = PageParser()
    page.feed(render_page(graph, title="t").encode().decode())
    items = [number for number in page.ids if number.startswith("node-")]
    assert items == [f"node-{number}" for number in range(len(graph.nodes))]
    assert len(page.ids) == len(set(page.ids))
    internal = [link for link in page.links if link.startswith("#node-")]
    assert len(internal) == 2 * len(graph.edges)
    assert {link[1:] for link in internal} <= set(page.ids)
    others = [link for link in page.links if not link.startswith("#")]
    assert all(is_link(link) for link in others)


def test_a_page_without_static_files_contains_its_styles_and_the_drawing():
    html = render_page(create_chain(2), title="t", static_url=None)
    assert "<svg" in html
    assert "--graph-background" in html
    assert "src=" not in html
    assert 'rel="stylesheet"' not in html


def test_facts_notes_and_gaps_are_shown():
    node = Node(
        "syn1.0", "entity", "t", version=0, gaps=("No etag.",), attributes={"MD5": "d41d8"},
        description="first\nsecond", url="s3://bucket/key", task_url="https://airflow.org/ti",
    )  # fmt: skip
    html = render_page(Graph((node,), (), ("Stopped.",)), title="t", links={"Run": "http://a/r"})
    for text in ("version 0", "⚠ No etag.", "<dt>MD5</dt><dd>d41d8</dd>", "first\nsecond",
                 "<dd>s3://bucket/key</dd>", 'href="https://airflow.org/ti"', ">Stopped.<",
                 '<a href="http://a/r">Run</a>'):  # fmt: skip
        assert text in html


def test_an_empty_graph_says_so():
    assert "There is no provenance to show." in render_page(Graph(), title="t")
    assert "No tasks yet." in render_page(Graph(), title="t", empty="No tasks yet.")


def test_the_wheel_contains_the_graph_library_its_licence_and_the_templates():
    """Hatch packs all files of the package that git does not ignore."""
    names = {path.name for path in STATIC_DIR.iterdir()}
    assert names == {
        "cytoscape.min.js", "cytoscape.LICENSE.txt", "graph.css", "graph.js", "page.css"
    }  # fmt: skip


def test_the_legend_explains_gaps_if_there_are_any():
    nodes = (Node("a", "entity", "a"), Node("b", "activity", "run"))
    exact = Graph(nodes, (Edge("a", "b", "used"),))
    unknown = Graph(nodes, (Edge("a", "b", "gap"),))
    legends = [
        '<li class="has-gap">' in render_page(graph, title="t") for graph in (exact, unknown)
    ]
    assert legends == [False, True]
