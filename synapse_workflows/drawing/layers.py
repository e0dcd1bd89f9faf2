"""Layers of a drawing: the column of each block, and the order of the blocks in a column.

Sugiyama's method: edges that close a cycle are reversed, layers are longest paths, edges across
several layers get points in between, and barycentre sweeps reduce crossings.
"""

import itertools
from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

#: Number of sweeps over all layers that reduce crossings.
_SWEEPS = 8
#: A point of a layer: the index of a block, or `(block, layer)` where edges of the block pass.
Point = int | tuple[int, int]
Arc = tuple[int, int]


def reverse_cycles(count: int, arcs: Iterable[Arc]) -> set[Arc]:
    """Return arcs without cycles: an arc that closes a cycle is reversed, loops are removed.

    Args:
        count: Number of vertices; they are `0 .. count - 1`.
        arcs: Pairs of source and target.
    """
    targets: dict[int, list[int]] = defaultdict(list)
    for source, target in dict.fromkeys(arcs):
        if source != target:
            targets[source].append(target)
    has_source = {target for some in targets.values() for target in some}
    roots = sorted(range(count), key=lambda vertex: vertex in has_source)
    result: set[Arc] = set()
    active: set[int] = set()
    done: set[int] = set()
    for root in roots:
        stack = [] if root in done else [(root, iter(targets[root]))]
        active.update([root] if stack else [])
        while stack:
            vertex, remaining = stack[-1]
            following = next(remaining, None)
            if following is None:
                stack.pop()
                active.discard(vertex)
                done.add(vertex)
                continue
            is_cycle = following in active
            result.add((following, vertex) if is_cycle else (vertex, following))
            if not is_cycle and following not in done:
                active.add(following)
                stack.append((following, iter(targets[following])))
    return result


def assign_layers(count: int, arcs: Iterable[Arc]) -> list[int]:
    """Return the layer of each vertex: longest paths, and sources next to their first target.

    Args:
        count: Number of vertices.
        arcs: Pairs of source and target without cycles.
    """
    targets: dict[int, list[int]] = defaultdict(list)
    missing = [0] * count
    for source, target in arcs:
        targets[source].append(target)
        missing[target] += 1
    sources = [vertex for vertex in range(count) if not missing[vertex]]
    layers = [0] * count
    ready = list(sources)
    for vertex in ready:
        for target in targets[vertex]:
            layers[target] = max(layers[target], layers[vertex] + 1)
            missing[target] -= 1
            if not missing[target]:
                ready.append(target)
    for vertex in sources:
        if targets[vertex]:
            layers[vertex] = min(layers[target] for target in targets[vertex]) - 1
    return layers


def route_points(source: int, source_layer: int, target: int, target_layer: int) -> list[Point]:
    """Return the points of an arc from left to right; arcs of one source share their points."""
    between = range(source_layer + 1, target_layer)
    return [source, *((source, layer) for layer in between), target]


def order_layers(layers: Sequence[int], arcs: Iterable[Arc]) -> list[list[Point]]:
    """Return the points of each layer from top to bottom, with few crossings.

    Args:
        layers: Layer of each vertex.
        arcs: Pairs of source and target, from lower to higher layers.
    """
    rows: list[dict[Point, None]] = [{} for _ in range(max(layers, default=-1) + 1)]
    for vertex, layer in enumerate(layers):
        rows[layer][vertex] = None
    lefts: dict[Point, set[Point]] = defaultdict(set)
    rights: dict[Point, set[Point]] = defaultdict(set)
    for source, target in sorted(arcs):
        route = route_points(source, layers[source], target, layers[target])
        for offset, (left, right) in enumerate(itertools.pairwise(route)):
            rights[left].add(right)
            lefts[right].add(left)
            rows[layers[source] + offset][left] = None
    return _reduce_crossings([list(row) for row in rows], lefts, rights)


Neighbours = Mapping[Point, set[Point]]


def _reduce_crossings(
    rows: list[list[Point]], lefts: Neighbours, rights: Neighbours
) -> list[list[Point]]:
    """Sort the points of each layer by the mean position of their neighbours, several times."""
    best, fewest = rows, _count_crossings(rows, rights)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        forward = sweep % 2 == 0
        rows = [list(row) for row in rows]
        steps = range(1, len(rows)) if forward else range(len(rows) - 2, -1, -1)
        for step in steps:
            fixed = rows[step - 1 if forward else step + 1]
            rows[step] = _sort_by_neighbours(rows[step], fixed, lefts if forward else rights)
        crossings = _count_crossings(rows, rights)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _sort_by_neighbours(
    row: Sequence[Point], fixed: Sequence[Point], neighbours: Neighbours
) -> list[Point]:
    """Sort points by the mean position of their neighbours; others keep their position."""
    place = {point: float(number) for number, point in enumerate(fixed)}
    scale = len(fixed) / max(len(row), 1)

    def barycentre(item: tuple[int, Point]) -> float:
        number, point = item
        near = [place[other] for other in neighbours.get(point, ())]
        return sum(near) / len(near) if near else number * scale

    return [point for _, point in sorted(enumerate(row), key=barycentre)]


def _count_crossings(rows: Sequence[Sequence[Point]], rights: Neighbours) -> int:
    """Return the number of crossings between neighbouring layers."""
    crossings = 0
    for row, following in itertools.pairwise(rows):
        place = {point: number for number, point in enumerate(following)}
        seen: list[int] = []
        for point in row:
            ends = sorted(place[other] for other in rights.get(point, ()))
            crossings += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return crossings
