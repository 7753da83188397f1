"""The nodes that wait to be opened, and the orders in which walks open them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unillmrec.judge import Profile
    from unillmrec.store import Node


@dataclass(frozen=True, slots=True)
class FrontierNode:
    """A node on the frontier, with its path score; *number* breaks ties, oldest first."""

    node: Node
    score: float
    number: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order in which nodes are opened.

    *key* sorts nodes, the smallest first; *width* is the most nodes opened in one round. With
    *by_level*, a round is a level of the tree: its best *width* nodes are opened, the others
    are passed over.
    """

    key: Callable[[FrontierNode], tuple[float, ...]]
    width: int
    by_level: bool = False


def best_first(at_once: int) -> Order:
    """Open the best nodes of the whole tree, *at_once* of them per round."""
    return Order(lambda each: (-each.score, each.number), at_once)


def depth_first() -> Order:
    """Open the best child of the node opened last, then its siblings."""
    return Order(lambda each: (-each.node.depth, -each.score, each.number), 1)


def beam(width: int) -> Order:
    """Open the best *width* nodes of each level in one round."""
    return Order(lambda each: (each.node.depth, -each.score, each.number), width, by_level=True)


@dataclass(slots=True)
class Frontier:
    """The nodes that one walker has still to open: the whole profile, or one interest.

    *profile* is what the judge sees, *share* the walker's share of the branches and items.
    With *opens_leaves*, leaves wait among the branches; otherwise they are collected in *leaves*,
    because reading them asks nothing. *passed_over* are the nodes a beam left out.
    """

    profile: Profile
    share: float
    order: Order
    opens_leaves: bool
    leaves: list[FrontierNode] = field(default_factory=list)
    passed_over: list[FrontierNode] = field(default_factory=list)
    opened: int = 0
    _heap: list[tuple[tuple[float, ...], FrontierNode]] = field(default_factory=list)
    _count: int = 0

    def add(self, node: Node, score: float) -> None:
        """Add a node with its path score."""
        self._count += 1
        added = FrontierNode(node, score, self._count)
        if node.is_leaf and not self.opens_leaves:
            self.leaves.append(added)
        else:
            self._push(added)

    def take(self, most: int) -> list[FrontierNode]:
        """Remove and return the next nodes to open, at most *most*; for a beam, a whole level."""
        if self.order.by_level:
            return self._take_level()
        count = min(most, self.order.width, len(self._heap))
        taken = [heapq.heappop(self._heap)[1] for _ in range(count)]
        self.opened += len(taken)
        return taken

    def restore_passed_over(self) -> None:
        """Put the nodes that a beam passed over back on the frontier."""
        for each in self.passed_over:
            self._push(each)
        self.passed_over = []

    @property
    def best_score(self) -> float | None:
        """The best path score of all unopened nodes; None if there are none."""
        scores = [each.score for _, each in self._heap]
        return max(scores + [each.score for each in self.passed_over], default=None)

    def _take_level(self) -> list[FrontierNode]:
        """Remove the uppermost level; return its best nodes and pass over the others."""
        depth = self._heap[0][1].node.depth if self._heap else 0
        level: list[FrontierNode] = []
        while self._heap and self._heap[0][1].node.depth == depth:
            level.append(heapq.heappop(self._heap)[1])
        self.passed_over += level[self.order.width :]
        taken = level[: self.order.width]
        self.opened += len(taken)
        return taken

    def _push(self, each: FrontierNode) -> None:
        heapq.heappush(self._heap, (self.order.key(each), each))

    def __len__(self) -> int:
        return len(self._heap)
