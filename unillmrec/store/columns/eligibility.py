"""Which items may be recommended to one person, and how many of them each node has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from unillmrec.store.decoding import MAX_DEPTH, damaged
from unillmrec.store.item_tree import ItemTree
from unillmrec.store.nodes import Node
from unillmrec.store.tree_file import IN_LIST, sql_list

if TYPE_CHECKING:
    from unillmrec.store.columns.selection import Selection

NumberAndLeaf = tuple[int, int]
"""The number of an item, and its leaf."""


class Eligibility:
    """The items that a predicate selects, or all, without those that are excluded.

    Excluding items costs a few small queries, which read the ancestors of these items only.
    """

    def __init__(self, tree: ItemTree, selection: Selection | None = None) -> None:
        self._tree = tree
        self.selection = selection
        self.excluded: set[int] = set()
        self._excluded_below: Counter[int] = Counter()

    def exclude(self, items: Iterable[NumberAndLeaf]) -> None:
        """Exclude items from now on."""
        level: Counter[int] = Counter()
        for number, leaf in items:
            if self.allows(number):
                level[leaf] += 1
            self.excluded.add(number)
        depth = 0
        while level:
            if depth > MAX_DEPTH:
                raise damaged(self._tree.path, f"node {min(level)} is its own ancestor")
            depth += 1
            self._excluded_below.update(level)
            parents = self._parents(level)
            higher: Counter[int] = Counter()
            for node, count in level.items():
                if node in parents:
                    higher[parents[node]] += count
            level = higher

    def _parents(self, nodes: Iterable[int]) -> dict[int, int]:
        query = f"SELECT id, parent FROM node WHERE id {IN_LIST} AND parent IS NOT NULL"
        return dict(self._tree.rows(query, (sql_list(list(nodes)),)))

    def selects(self, number: int) -> bool:
        """Return whether an item satisfies the predicate."""
        return self.selection is None or number in self.selection

    def allows(self, number: int) -> bool:
        """Return whether an item may be recommended."""
        return number not in self.excluded and self.selects(number)

    def filter(self, numbers: Iterable[int]) -> list[int]:
        """Return those of the items that may be recommended, in their order."""
        left = [number for number in numbers if number not in self.excluded]
        return left if self.selection is None else [n for n in left if n in self.selection]

    def count(self, node: Node) -> int:
        """Return how many items below *node* may be recommended."""
        return self.count_selected(node) - self._excluded_below[node.id]

    def count_selected(self, node: Node) -> int:
        """Return how many items below *node* satisfy the predicate, excluded or not."""
        return node.size if self.selection is None else self.selection.count(node.id)
