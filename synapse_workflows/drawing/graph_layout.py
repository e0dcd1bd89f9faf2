"""Layout of a graph: positions of nodes and lines of edges, in pixels, from left to right."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from synapse_workflows.drawing.alignment import align
from synapse_workflows.drawing.blocks import Block, BlockEdge, build_blocks
from synapse_workflows.drawing.graph import Edge, Graph, Node
from synapse_workflows.drawing.layers import (
    Arc,
    Point,
    assign_layers,
    order_layers,
    reverse_cycles,
)

#: Margin around the drawing, and distance of layers, in pixels.
MARGIN, LAYER_GAP = 20, 64
#: Horizontal and vertical position in pixels, from the top left corner.
Position = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PlacedNode:
    """A node and the position of its centre."""

    node: Node
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Frame:
    """Border of a group of nodes: position of its centre, and its size."""

    nodes: tuple[Node, ...]
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Route:
    """Line of an edge. Between groups, it stands for the edges of all their nodes.

    Args:
        edge: One of the edges; the others have the same role and label.
        sources: Nodes at the source: one node, or a group.
        targets: Nodes at the target: one node, or a group.
        points: Positions, at least two. The first one is on the border of the source, or on the
            line of another edge of the same source and role; the last one is on the border of
            the target.
    """

    edge: Edge
    sources: tuple[Node, ...]
    targets: tuple[Node, ...]
    points: tuple[Position, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions of everything in a drawing of the given size in pixels."""

    nodes: tuple[PlacedNode, ...]
    frames: tuple[Frame, ...]
    routes: tuple[Route, ...]
    width: float
    height: float


def compute_layout(graph: Graph) -> Layout:
    """Compute the layout of a graph. Equal graphs have equal layouts.

    Source: K. Sugiyama, S. Tagawa, M. Toda: Methods for visual understanding of hierarchical
    system structures. IEEE Transactions on Systems, Man, and Cybernetics 11(2), 1981.
    """
    blocks, edges = build_blocks(graph)
    grid = _Grid(blocks, edges)
    placed = tuple(
        PlacedNode(node, *_add(grid.positions[number], block.offset(index)))
        for number, block in enumerate(blocks)
        for index, node in enumerate(block.nodes)
    )
    frames = tuple(
        Frame(block.nodes, *grid.positions[number], block.width, block.height)
        for number, block in enumerate(blocks)
        if block.is_group
    )
    routes = _create_routes(grid, blocks, edges)
    corners = [
        _add(p, (b.width / 2, b.height / 2)) for p, b in zip(grid.positions, blocks, strict=True)
    ]
    corners += [point for route in routes for point in route.points]
    width, height = (max((corner[axis] for corner in corners), default=0) for axis in (0, 1))
    return Layout(placed, frames, routes, width + MARGIN, height + MARGIN)


class _Grid:
    """Layers of blocks, and positions in them.

    Args:
        blocks: Blocks; other values refer to them by index.
        edges: Edges of the blocks.
    """

    def __init__(self, blocks: Sequence[Block], edges: Sequence[BlockEdge]) -> None:
        self.blocks = blocks
        arcs = reverse_cycles(len(blocks), ((edge.source, edge.target) for edge in edges))
        self.layers = assign_layers(len(blocks), arcs)
        rows = order_layers(self.layers, arcs)
        ys = align([block.height for block in blocks], self.layers, rows, arcs)
        self.ys = {point: y + MARGIN for point, y in ys.items()}
        self.columns = _compute_columns(blocks, rows)
        self.positions = self._place_blocks(arcs)

    def _place_blocks(self, arcs: set[Arc]) -> list[Position]:
        """Return the position of each block: beside its edges if they are on one side."""
        has_left = {target for _, target in arcs}
        has_right = {source for source, _ in arcs}
        positions = []
        for number, block in enumerate(self.blocks):
            left, right = self.columns[self.layers[number]]
            x = (left + right) / 2
            if number not in has_left:
                x = right - block.width / 2
            elif number not in has_right:
                x = left + block.width / 2
            positions.append((x, self.ys[number]))
        return positions

    def route(self, edge: BlockEdge) -> tuple[Position, ...]:
        """Return the points of an edge from its source to its target."""
        if edge.source == edge.target:
            return self._route_loop(edge.source)
        left, right = sorted((edge.source, edge.target), key=self.layers.__getitem__)
        points = [_add(self.positions[left], (self.blocks[left].width / 2, 0))]
        for layer in range(self.layers[left] + 1, self.layers[right]):
            y = self.ys[left, layer]
            points += [(x, y) for x in self.columns[layer]]
        points.append(_add(self.positions[right], (-self.blocks[right].width / 2, 0)))
        return tuple(points if left == edge.source else reversed(points))

    def _route_loop(self, number: int) -> tuple[Position, ...]:
        """Return the points of an edge from a block to itself: below the block."""
        down, right = self.blocks[number].height / 2, self.blocks[number].width / 2
        corners = [
            (right, 0),
            (right + 12, down),
            (0, down + 12),
            (-right - 12, down),
            (-right, 0),
        ]
        return tuple(_add(self.positions[number], corner) for corner in corners)


def _compute_columns(
    blocks: Sequence[Block], rows: Sequence[Sequence[Point]]
) -> list[tuple[float, float]]:
    """Return the left and the right border of each layer."""
    columns = []
    left: float = MARGIN
    for row in rows:
        right = left + max(blocks[point].width for point in row if isinstance(point, int))
        columns.append((left, right))
        left = right + LAYER_GAP
    return columns


def _create_routes(
    grid: _Grid, blocks: Sequence[Block], edges: Sequence[BlockEdge]
) -> tuple[Route, ...]:
    """Return the routes of edges. A part that several edges share is in one route only."""
    drawn: dict[object, set[Position]] = defaultdict(set)
    routes = []
    for edge in edges:
        points = grid.route(edge)
        shared = drawn[edge.source, edge.edge.role]
        start = max((n for n, point in enumerate(points[:-1]) if point in shared), default=0)
        shared.update(points)
        sources, targets = blocks[edge.source].nodes, blocks[edge.target].nodes
        routes.append(Route(edge.edge, sources, targets, points[start:]))
    return tuple(routes)


def _add(first: Position, second: Position) -> Position:
    return first[0] + second[0], first[1] + second[1]
