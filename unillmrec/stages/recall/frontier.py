"""The nodes that wait to be opened, and the order they are taken in."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from unillmrec.judge import Profile
from unillmrec.store import Node


@dataclass(frozen=True, slots=True)
class Waiting:
    """A node on the frontier and what it is worth there; *came* tells equals apart."""

    node: Node
    worth: float
    came: int


Rank: TypeAlias = Callable[[Waiting], tuple[float, ...]]
"""What nodes are taken by, the least first."""


@dataclass(frozen=True, slots=True)
class Order:
    """One way to take nodes: their rank, and how many are opened in one round.

    With *levels*, all of one level are taken together, and only the best *width* of them
    are opened: a beam. Without, *width* is the most that are opened in one round.
    """

    rank: Rank
    width: int
    levels: bool = False


def best_first(at_once: int) -> Order:
    """Take the best nodes wherever they are, several at a time."""
    return Order(lambda each: (-each.worth, each.came), at_once)


def depth_first() -> Order:
    """Take the best child of the node that was opened last, then its siblings."""
    return Order(lambda each: (-each.node.depth, -each.worth, each.came), 1)


def beam(width: int) -> Order:
    """Take the best nodes of each level in one round."""
    return Order(lambda each: (each.node.depth, -each.worth, each.came), width, levels=True)


@dataclass(slots=True)
class Frontier:
    """What one interest of a person has still to open.

    *profile* is what the judge is told, *share* the part of the budget that belongs to it.
    Leaves wait among the branches where *opens_leaves*; otherwise they are set apart as soon
    as they are seen, since reading them costs no question. *passed_over* is what a beam left.
    """

    profile: Profile
    share: float
    order: Order
    opens_leaves: bool
    leaves: list[Waiting] = field(default_factory=list)
    passed_over: list[Waiting] = field(default_factory=list)
    opened: int = 0
    _heap: list[tuple[tuple[float, ...], Waiting]] = field(default_factory=list)
    _came: int = 0

    def add(self, node: Node, worth: float) -> None:
        """Let a node wait."""
        self._came += 1
        waiting = Waiting(node, worth, self._came)
        if node.is_leaf and not self.opens_leaves:
            self.leaves.append(waiting)
        else:
            heapq.heappush(self._heap, (self.order.rank(waiting), waiting))

    def take(self, most: int) -> list[Waiting]:
        """Return what is to be opened next, at most so many nodes; of a beam, a whole level."""
        if self.order.levels:
            return self._level()
        count = min(most, self.order.width, len(self._heap))
        taken = [heapq.heappop(self._heap)[1] for _ in range(count)]
        self.opened += len(taken)
        return taken

    def _level(self) -> list[Waiting]:
        """Return the best of the uppermost level; those below its width are passed over."""
        depth = self._heap[0][1].node.depth if self._heap else 0
        level: list[Waiting] = []
        while self._heap and self._heap[0][1].node.depth == depth:
            level.append(heapq.heappop(self._heap)[1])
        self.passed_over += level[self.order.width :]
        taken = level[: self.order.width]
        self.opened += len(taken)
        return taken

    def take_passed_over(self) -> None:
        """Let what a beam left wait again, best first, since the rest was not enough."""
        for each in self.passed_over:
            heapq.heappush(self._heap, (self.order.rank(each), each))
        self.passed_over = []

    @property
    def best_worth(self) -> float | None:
        """The most that anything still waiting is worth; None if nothing waits."""
        waiting = [each.worth for _, each in self._heap]
        return max(waiting + [each.worth for each in self.passed_over], default=None)

    def __len__(self) -> int:
        return len(self._heap)
