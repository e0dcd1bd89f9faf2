"""Blocks of a drawing: single nodes, and groups of nodes that have the same neighbours.

A task with 300 inputs is drawn as a box of 300 nodes with one edge, not as 300 edges.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from synapse_workflows.drawing.graph import Edge, Graph, Node

#: Size of a node in pixels.
NODE_WIDTH, NODE_HEIGHT = 216, 46
#: Smallest number of nodes that are drawn as a group.
MIN_GROUP_SIZE = 5
#: Distance of the nodes of a group from each other and from its border, in pixels.
GROUP_GAP = 10
#: Number of rows for each column of a group, for boxes that are a little wider than high.
_ROWS_PER_COLUMN = 2.9


@dataclass(frozen=True, slots=True)
class Block:
    """One node, or a group of nodes of one kind with the same edges.

    Args:
        nodes: The nodes in display order.
        rows: Number of nodes in a column of the group.
    """

    nodes: tuple[Node, ...]
    rows: int = 1

    @property
    def is_group(self) -> bool:
        """Return whether the block is drawn with a border around several nodes."""
        return len(self.nodes) > 1

    @property
    def width(self) -> float:
        """Width in pixels."""
        columns = math.ceil(len(self.nodes) / self.rows)
        return _span(columns, NODE_WIDTH) if self.is_group else NODE_WIDTH

    @property
    def height(self) -> float:
        """Height in pixels."""
        return _span(self.rows, NODE_HEIGHT) if self.is_group else NODE_HEIGHT

    def offset(self, index: int) -> tuple[float, float]:
        """Return the offset in pixels of a node's centre from the centre of the block."""
        if not self.is_group:
            return 0, 0
        column, row = divmod(index, self.rows)
        x = GROUP_GAP + column * (NODE_WIDTH + GROUP_GAP) + NODE_WIDTH / 2
        y = GROUP_GAP + row * (NODE_HEIGHT + GROUP_GAP) + NODE_HEIGHT / 2
        return x - self.width / 2, y - self.height / 2


@dataclass(frozen=True, slots=True)
class BlockEdge:
    """Edge between two blocks, given by their indices; it stands for `edge` and equal ones."""

    source: int
    target: int
    edge: Edge


def build_blocks(graph: Graph) -> tuple[list[Block], list[BlockEdge]]:
    """Divide the nodes of a graph into blocks, and connect the blocks.

    Nodes that are a focus of the graph stay single.
    """
    by_neighbours: dict[object, list[Node]] = defaultdict(list)
    for node, key in zip(graph.nodes, _neighbour_keys(graph), strict=True):
        by_neighbours[key].append(node)
    blocks: list[Block] = []
    for nodes in by_neighbours.values():
        if len(nodes) >= MIN_GROUP_SIZE:
            columns = round(math.sqrt(len(nodes) / _ROWS_PER_COLUMN))
            blocks.append(Block(tuple(nodes), math.ceil(len(nodes) / columns)))
        else:
            blocks.extend(Block((node,)) for node in nodes)
    return blocks, _connect(blocks, graph.edges)


def _neighbour_keys(graph: Graph) -> list[object]:
    """Return one key per node; nodes that may share a group have equal keys."""
    neighbours: dict[str, set[tuple[str, str, str, str]]] = defaultdict(set)
    for edge in graph.edges:
        neighbours[edge.source].add(("to", edge.target, edge.role, edge.label))
        neighbours[edge.target].add(("from", edge.source, edge.role, edge.label))
    return [
        node.id if node.is_focus else (node.kind, frozenset(neighbours[node.id]))
        for node in graph.nodes
    ]


def _connect(blocks: Sequence[Block], edges: Sequence[Edge]) -> list[BlockEdge]:
    """Return the edges between blocks, each with one of the edges that it stands for."""
    index = {node.id: number for number, block in enumerate(blocks) for node in block.nodes}
    connected: dict[object, BlockEdge] = {}
    for edge in edges:
        source, target = index[edge.source], index[edge.target]
        key = (source, target, edge.role, edge.label)
        connected.setdefault(key, BlockEdge(source, target, edge))
    return list(connected.values())


def _span(count: int, size: float) -> float:
    return count * (size + GROUP_GAP) + GROUP_GAP
