"""Provenance graphs for tests of drawings."""

from hypothesis import strategies as st

from synapse_workflows.drawing.graph import Edge, Graph, Node


def create_chain(length: int, *, label: str = "table") -> Graph:
    """Return a chain of entities and activities that all run the same code."""
    nodes = [Node("code", "code", "flow.py", "commit 0f3a", url="https://example.org/flow.py")]
    edges = []
    for number in range(length):
        entity, activity = f"syn{number}.1", f"activity:{number}"
        url = f"https://example.org/Synapse:syn{number}"
        nodes.append(Node(entity, "entity", f"{label} {number}", entity, url=url, version=1))
        if number + 1 < length:
            nodes.append(Node(activity, "activity", f"flow.task_{number}", "run 2026-11-26"))
            edges += [
                Edge(entity, activity, "used"),
                Edge("code", activity, "executed"),
                Edge(activity, f"syn{number + 1}.1", "generated"),
            ]
    return Graph(tuple(nodes), tuple(edges))


def create_fan(inputs: int) -> Graph:
    """Return a graph of one activity with many inputs."""
    used = [Node(f"syn{n}.1", "entity", f"input {n}", f"syn{n}.1") for n in range(inputs)]
    result = Node("result", "entity", "result", is_focus=True)
    edges = (*(Edge(node.id, "a", "used") for node in used), Edge("a", "result", "generated"))
    return Graph((*used, Node("a", "activity", "collect"), result), edges)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Generate graphs with any edges: cycles, loops, several parts, and any texts."""
    kinds = st.sampled_from(["entity", "url", "activity", "task", "code"])
    nodes = [
        Node(
            f"n{number}",
            draw(kinds),
            draw(st.text(max_size=40)),
            draw(st.text(max_size=10)),
            url=draw(st.none() | st.text(max_size=10) | st.just("https://example.org/?a=1&b")),
            gaps=tuple(draw(st.lists(st.text(max_size=10), max_size=1))),
            is_focus=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 14)))
    ]
    ids = st.sampled_from([node.id for node in nodes] or ["none"])
    roles = st.sampled_from(["used", "executed", "generated", "gap"])
    edges = st.lists(st.builds(Edge, ids, ids, roles), max_size=30 if nodes else 0)
    return Graph.build(nodes, draw(edges), draw(st.lists(st.text(max_size=10), max_size=2)))
