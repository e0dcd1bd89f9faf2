from synapse_workflows.drawing.graph import Edge, Graph, Node
from synapse_workflows.drawing.page import render_page

EVIL = "</script><script>alert(1)</script>\"'&"


def test_texts_are_escaped_and_only_http_urls_become_links():
    nodes = (
        Node("a", "entity", EVIL, EVIL, url="javascript:alert(1)"),
        Node("b", "activity", "run", url="https://example.org/?a=1&b='2'"),
    )
    html = render_page(Graph(nodes, (Edge("a", "b", "used"),), (EVIL,)), title=EVIL, subtitle=EVIL)
    assert "<script>alert" not in html
    assert "javascript:" not in html
    assert 'href="https://example.org/?a=1&amp;b=&#39;2&#39;"' in html
