"""Vertical positions of a drawing: each point near its neighbours, without overlaps."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from synapse_workflows.drawing.layers import Arc, Point, route_points

#: Distance of blocks from each other, and from edges that pass between them, in pixels.
BLOCK_GAP, ROUTE_GAP = 22, 14
#: Number of passes over all layers.
_PASSES = 12


def align(
    heights: Sequence[float],
    layers: Sequence[int],
    rows: Sequence[Sequence[Point]],
    arcs: Iterable[Arc],
) -> dict[Point, float]:
    """Return the vertical position of the centre of each point; the highest border is at 0.

    Args:
        heights: Height of each block in pixels. Points where edges pass have no height.
        layers: Layer of each block.
        rows: Points of each layer from top to bottom.
        arcs: Pairs of source and target, from lower to higher layers.
    """
    neighbours = _find_neighbours(layers, arcs)
    ys = {point: 0.0 for row in rows for point in row}
    for number in range(_PASSES):
        for row in rows if number % 2 == 0 else reversed(rows):
            wanted = [_mean([ys[near] for near in neighbours.get(p, [p])]) for p in row]
            ys.update(zip(row, _separate(heights, row, wanted), strict=True))
    top = min((y - _height(heights, point) / 2 for point, y in ys.items()), default=0)
    return {point: y - top for point, y in ys.items()}


def _find_neighbours(
    layers: Sequence[int], arcs: Iterable[Arc]
) -> Mapping[Point, Iterable[Point]]:
    """Return the neighbours of each point in the layers beside it."""
    neighbours: dict[Point, dict[Point, None]] = defaultdict(dict)
    for source, target in sorted(arcs):
        route = route_points(source, layers[source], target, layers[target])
        for left, right in itertools.pairwise(route):
            neighbours[left][right] = None
            neighbours[right][left] = None
    return neighbours


def _separate(
    heights: Sequence[float], row: Sequence[Point], wanted: Sequence[float]
) -> list[float]:
    """Return the positions with minimal distances that are nearest to the wanted positions.

    The sum of squared differences is minimal (isotonic regression: pool adjacent violators).
    """
    offsets = [0.0]
    for upper, lower in itertools.pairwise(row):
        is_passing = not (isinstance(upper, int) and isinstance(lower, int))
        gap = ROUTE_GAP if is_passing else BLOCK_GAP
        distance = (_height(heights, upper) + _height(heights, lower)) / 2 + gap
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


def _height(heights: Sequence[float], point: Point) -> float:
    return heights[point] if isinstance(point, int) else 0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
