import itertools
import time

import pytest
from hypothesis import given
from support.graphs import create_chain, create_fan, graphs

from synapse_workflows.drawing.blocks import NODE_HEIGHT, NODE_WIDTH
from synapse_workflows.drawing.graph import Edge, Graph, Node
from synapse_workflows.drawing.graph_layout import compute_layout


def overlap(first, other) -> bool:
    """Return whether two nodes of a layout overlap."""
    return abs(first.x - other.x) < NODE_WIDTH and abs(first.y - other.y) < NODE_HEIGHT


def is_on_border(point, nodes, frames) -> bool:
    """Return whether a point is on the left or right border of a node or frame of the nodes."""
    boxes = [(p.x, p.y, NODE_WIDTH, NODE_HEIGHT) for p in nodes]
    boxes += [(f.x, f.y, f.width, f.height) for f in frames]
    return any(
        abs(abs(point[0] - x) - width / 2) < 0.01 and abs(point[1] - y) <= height / 2
        for x, y, width, height in boxes
    )


@given(graphs())
def test_nodes_are_complete_inside_the_drawing_and_do_not_overlap(graph):
    layout = compute_layout(graph)
    assert sorted(p.node.id for p in layout.nodes) == sorted(node.id for node in graph.nodes)
    for placed in layout.nodes:
        assert NODE_WIDTH / 2 <= placed.x <= layout.width - NODE_WIDTH / 2
        assert NODE_HEIGHT / 2 <= placed.y <= layout.height - NODE_HEIGHT / 2
    assert not [pair for pair in itertools.combinations(layout.nodes, 2) if overlap(*pair)]


@given(graphs())
def test_every_edge_has_a_line_that_ends_at_its_target(graph):
    layout = compute_layout(graph)
    drawn = {
        (source.id, target.id, route.edge.role)
        for route in layout.routes
        for source in route.sources
        for target in route.targets
    }
    assert drawn == {(edge.source, edge.target, edge.role) for edge in graph.edges}
    for route in layout.routes:
        targets = [p for p in layout.nodes if p.node in route.targets]
        frames = [f for f in layout.frames if f.nodes == route.targets]
        assert is_on_border(route.points[-1], targets, frames)
        assert all(0 <= x <= layout.width for x, _ in route.points)


@given(graphs())
def test_equal_graphs_have_equal_layouts(graph):
    assert compute_layout(graph) == compute_layout(Graph(graph.nodes, graph.edges))


def test_data_flows_from_left_to_right():
    placed = {p.node.id: p for p in compute_layout(create_chain(3)).nodes}
    chain = ["syn0.1", "activity:0", "syn1.1", "activity:1", "syn2.1"]
    assert sorted(chain, key=lambda node: placed[node].x) == chain
    assert placed["code"].x < placed["activity:0"].x


def test_many_inputs_of_an_activity_are_one_group_with_one_line():
    layout = compute_layout(create_fan(299))
    assert [len(frame.nodes) for frame in layout.frames] == [299]
    assert [len(route.sources) for route in layout.routes] == [299, 1]
    assert layout.height < 3000


def test_a_line_that_several_edges_share_is_drawn_once():
    routes = compute_layout(create_chain(150)).routes
    assert sum(len(route.points) for route in routes) < 5 * len(routes)


def test_a_cycle_is_drawn_with_an_edge_to_the_left():
    nodes = (Node("t", "entity", "table"), Node("a", "activity", "update"))
    graph = Graph(nodes, (Edge("t", "a", "used"), Edge("a", "t", "generated")))
    used, generated = compute_layout(graph).routes
    assert used.points == generated.points[::-1]


@pytest.mark.parametrize("graph", [create_chain(150), create_fan(299)], ids=["chain", "fan"])
def test_300_nodes_are_placed_in_less_than_two_seconds(graph):
    started = time.process_time()
    compute_layout(graph)
    assert time.process_time() - started < 2
