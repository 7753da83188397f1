"""Which items may be recommended to one person, and how many of them each node has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from unillmrec.store.item_tree import IN_LIST, ItemTree, sql_list
from unillmrec.store.nodes import Node

if TYPE_CHECKING:
    from unillmrec.store.columns.selection import Selection

Placed = tuple[int, int]
"""The number of an item, and its leaf."""


class Eligibility:
    """What a predicate lets through, if there is one, without the items that are excluded.

    Excluding costs a few small queries; nothing is looked at that is not excluded.
    """

    def __init__(self, tree: ItemTree, selection: Selection | None = None) -> None:
        self._tree = tree
        self.selection = selection
        self.excluded: set[int] = set()
        self._excluded_below: Counter[int] = Counter()

    def exclude(self, items: Iterable[Placed]) -> None:
        """Keep items out from here on."""
        leaves: Counter[int] = Counter()
        for number, leaf in items:
            if self.allows(number):
                leaves[leaf] += 1
            self.excluded.add(number)
        while leaves:
            self._excluded_below.update(leaves)
            above = self._parents(leaves)
            higher: Counter[int] = Counter()
            for node, count in leaves.items():
                if node in above:
                    higher[above[node]] += count
            leaves = higher

    def _parents(self, nodes: Iterable[int]) -> dict[int, int]:
        query = f"SELECT id, parent FROM node WHERE id {IN_LIST} AND parent IS NOT NULL"
        return dict(self._tree.rows(query, (sql_list(list(nodes)),)))

    def selects(self, number: int) -> bool:
        """Return whether the predicate lets an item through."""
        return self.selection is None or number in self.selection

    def allows(self, number: int) -> bool:
        """Return whether an item may be recommended."""
        return number not in self.excluded and self.selects(number)

    def among(self, numbers: Iterable[int]) -> list[int]:
        """Return those of the items that may be recommended."""
        left = [number for number in numbers if number not in self.excluded]
        return left if self.selection is None else [n for n in left if n in self.selection]

    def count(self, node: Node) -> int:
        """Return how many items below *node* may be recommended."""
        return self.selected(node) - self._excluded_below[node.id]

    def selected(self, node: Node) -> int:
        """Return how many items below *node* the predicate lets through, excluded or not."""
        return node.size if self.selection is None else self.selection.count(node.id)
