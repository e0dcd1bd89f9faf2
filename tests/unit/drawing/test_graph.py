import pytest

from synapse_workflows.drawing.graph import Edge, Graph, Node, is_link

RAW = Node("syn1.1", "entity", "raw.csv", version=1)
TASK = Node("activity:7", "activity", "clean")


def test_nodes_and_edges_become_json_without_default_values():
    graph = Graph((RAW, TASK), (Edge("syn1.1", "activity:7", "used"),), ("Stopped at depth 8.",))
    assert graph.to_json() == {
        "nodes": [
            {"id": "syn1.1", "kind": "entity", "label": "raw.csv", "version": 1},
            {"id": "activity:7", "kind": "activity", "label": "clean"},
        ],
        "edges": [{"source": "syn1.1", "target": "activity:7", "role": "used"}],
        "notes": ["Stopped at depth 8."],
    }


def test_an_edge_to_a_missing_node_is_an_error_that_names_it():
    with pytest.raises(ValueError, match=r"'syn1.1' -> 'gone' \(used\) refers to missing nodes"):
        Graph((RAW,), (Edge("syn1.1", "gone", "used"),))


def test_a_repeated_node_is_an_error_that_names_it():
    with pytest.raises(ValueError, match=r"Duplicate node IDs: \['syn1.1'\]"):
        Graph((RAW, RAW))


def test_build_keeps_the_first_of_repeated_nodes_with_all_gaps():
    first = Node("syn1", "entity", "t", gaps=("a",))
    other = Node("syn1", "entity", "", gaps=("a", "b"), is_focus=True)
    graph = Graph.build([first, other, first], [Edge("syn1", "syn1", "used")] * 2)
    assert graph.nodes == (Node("syn1", "entity", "t", gaps=("a", "b"), is_focus=True),)
    assert graph.edges == (Edge("syn1", "syn1", "used"),)


def test_merge_joins_graphs():
    edge = Edge("syn1.1", "activity:7", "used")
    merged = Graph((RAW,), notes=("x",)).merge(Graph((RAW, TASK), (edge,), ("x",)), Graph())
    assert merged == Graph((RAW, TASK), (edge,), ("x",))


@pytest.mark.parametrize("url", ["https://a.org/x?y#z", "http://127.0.0.1:8080/Synapse:syn1"])
def test_http_urls_become_links(url):
    assert is_link(url)


@pytest.mark.parametrize(
    "url",
    [
        None, "", "javascript:alert(1)", "JAVASCRIPT:alert(1)", " https://a.org", "//a.org/x",
        "/x", "file:///etc/passwd", "data:text/html,x", "https://user:secret@a.org/x", "https://",
        "s3://b/k", "https://[bad", "java\nscript:alert(1)", "https://a.org\\@b.org",
        "https://a.org/a b",
    ],
)  # fmt: skip
def test_other_urls_do_not_become_links(url):
    assert not is_link(url)
