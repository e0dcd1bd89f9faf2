"""Layout of a graph: positions of nodes and routes of edges, in pixels, from left to right."""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synapse_workflows.drawing.blocks import NODE_HEIGHT, Block, BlockEdge, build_blocks
from synapse_workflows.drawing.graph import Edge, Graph, Node
from synapse_workflows.drawing.layers import (
    Arc,
    Point,
    assign_layers,
    order_layers,
    reverse_cycles,
    route_points,
)

#: Margin around the drawing, distance of layers, distance of blocks, and of edges that pass.
MARGIN, LAYER_GAP, BLOCK_GAP, ROUTE_GAP = 16, 64, 22, 10
#: Horizontal and vertical position in pixels, from the top left corner.
Position = tuple[float, float]
#: Number of passes that align blocks with their neighbours.
_PASSES = 12


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
    arcs = reverse_cycles(len(blocks), ((edge.source, edge.target) for edge in edges))
    layers = assign_layers(len(blocks), arcs)
    rows = order_layers(layers, arcs)
    positions = _place_points(blocks, layers, rows, arcs)
    placed = tuple(
        PlacedNode(node, *_add(positions[number], block.offset(index)))
        for number, block in enumerate(blocks)
        for index, node in enumerate(block.nodes)
    )
    frames = tuple(
        Frame(block.nodes, *positions[number], block.width, block.height)
        for number, block in enumerate(blocks)
        if block.is_group
    )
    routes = _create_routes(edges, blocks, layers, positions)
    width = max((positions[n][0] + b.width / 2 for n, b in enumerate(blocks)), default=0)
    height = max((positions[n][1] + b.height / 2 for n, b in enumerate(blocks)), default=0)
    height = max([height, *(y for route in routes for _, y in route.points)])
    return Layout(placed, frames, routes, width + MARGIN, height + MARGIN)


def _place_points(
    blocks: Sequence[Block], layers: Sequence[int], rows: list[list[Point]], arcs: set[Arc]
) -> dict[Point, Position]:
    """Return the position of each point."""
    ys = _align(blocks, rows, _find_neighbours(layers, arcs))
    top = min((ys[point] - _height(blocks, point) / 2 for row in rows for point in row), default=0)
    positions: dict[Point, Position] = {}
    left: float = MARGIN
    for row in rows:
        width = max(blocks[point].width for point in row if isinstance(point, int))
        for point in row:
            positions[point] = (left + width / 2, ys[point] - top + MARGIN)
        left += width + LAYER_GAP
    return positions


def _find_neighbours(layers: Sequence[int], arcs: set[Arc]) -> Mapping[Point, list[Point]]:
    """Return the neighbours of each point in the layers beside it."""
    neighbours: dict[Point, dict[Point, None]] = defaultdict(dict)
    for source, target in sorted(arcs):
        route = route_points(source, layers[source], target, layers[target])
        for left, right in itertools.pairwise(route):
            neighbours[left][right] = None
            neighbours[right][left] = None
    return {point: list(near) for point, near in neighbours.items()}


def _align(
    blocks: Sequence[Block], rows: list[list[Point]], neighbours: Mapping[Point, list[Point]]
) -> dict[Point, float]:
    """Return the vertical position of each point, near its neighbours and without overlaps."""
    ys: dict[Point, float] = {}
    for row in rows:
        wanted = [0.0] * len(row)
        ys.update(zip(row, _separate(blocks, row, wanted), strict=True))
    for number in range(_PASSES):
        for row in rows if number % 2 == 0 else reversed(rows):
            wanted = [_mean([ys[near] for near in neighbours.get(p, [p])]) for p in row]
            ys.update(zip(row, _separate(blocks, row, wanted), strict=True))
    return ys


def _separate(
    blocks: Sequence[Block], row: Sequence[Point], wanted: Sequence[float]
) -> list[float]:
    """Return the positions with minimal distances that are nearest to the wanted positions.

    The squared difference is minimal (isotonic regression by pooling adjacent violators).
    """
    offsets = [0.0]
    for upper, lower in itertools.pairwise(row):
        is_passing = not (isinstance(upper, int) and isinstance(lower, int))
        gap = ROUTE_GAP if is_passing else BLOCK_GAP
        distance = (_height(blocks, upper) + _height(blocks, lower)) / 2 + gap
        offsets.append(offsets[-1] + distance)
    pools: list[tuple[float, int]] = []
    for position, offset in zip(wanted, offsets, strict=False):
        total, size = position - offset, 1
        while pools and pools[-1][0] / pools[-1][1] >= total / size:
            previous = pools.pop()
            total, size = total + previous[0], size + previous[1]
        pools.append((total, size))
    means = [total / size for total, size in pools for _ in range(size)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]


def _create_routes(
    edges: Sequence[BlockEdge],
    blocks: Sequence[Block],
    layers: Sequence[int],
    positions: Mapping[Point, Position],
) -> tuple[Route, ...]:
    """Return the routes of edges. A part that several edges share is in one route only."""
    drawn: dict[object, set[Position]] = defaultdict(set)
    routes = []
    for edge in edges:
        points = _route(edge, blocks, layers, positions)
        shared = drawn[edge.source, edge.edge.role]
        start = max((n for n, point in enumerate(points[:-1]) if point in shared), default=0)
        shared.update(points)
        sources, targets = blocks[edge.source].nodes, blocks[edge.target].nodes
        routes.append(Route(edge.edge, sources, targets, points[start:]))
    return tuple(routes)


def _route(
    edge: BlockEdge,
    blocks: Sequence[Block],
    layers: Sequence[int],
    positions: Mapping[Point, Position],
) -> tuple[Position, ...]:
    """Return the points of an edge, from the border of its source to the border of its target."""
    if edge.source == edge.target:
        return _loop(blocks[edge.source], positions[edge.source])
    left, right = sorted((edge.source, edge.target), key=lambda block: layers[block])
    points = [positions[p] for p in route_points(left, layers[left], right, layers[right])]
    points[0] = _add(points[0], (blocks[left].width / 2, 0))
    points[-1] = _add(points[-1], (-blocks[right].width / 2, 0))
    return tuple(points if left == edge.source else reversed(points))


def _loop(block: Block, centre: Position) -> tuple[Position, ...]:
    """Return the points of an edge from a block to itself: below the block."""
    down, right = block.height / 2, block.width / 2
    corners = ((right, 0), (right + 12, down), (0, down + 12), (-right - 12, down), (-right, 0))
    return tuple(_add(centre, corner) for corner in corners)


def _height(blocks: Sequence[Block], point: Point) -> float:
    return blocks[point].height if isinstance(point, int) else NODE_HEIGHT / 4


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _add(first: Position, second: Position) -> Position:
    return first[0] + second[0], first[1] + second[1]
