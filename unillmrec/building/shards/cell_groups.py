"""Join cells that got few items with similar ones, so that every subtree has enough to grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from unillmrec.building.shards.top_tree import TopTree
from unillmrec.tree.clustering import TINY_SHARE


@dataclass(slots=True)
class CellGroup:
    """A branch of the top tree or, without children, one or more cells that are grown together.

    *node* is its number in the top tree.
    """

    node: int
    size: int
    cells: list[int] = field(default_factory=list)
    children: list[CellGroup] = field(default_factory=list)

    def leaves(self) -> list[CellGroup]:
        """Return the groups without children, in the order of the tree."""
        if not self.children:
            return [self]
        return [leaf for child in self.children for leaf in child.leaves()]


def group_cells(top: TopTree, sizes: Sequence[int], least: int) -> CellGroup:
    """Join each cell that has few items with the most similar one, and return the root.

    *sizes* has the number of items of each node that is a cell. Every group then has at least
    *least* items, unless the catalog has fewer.
    """
    children = top.children()
    similarity = (top.centres @ top.centres.T).tocsr()

    def nearest(group: CellGroup, others: Sequence[CellGroup]) -> CellGroup:
        return max(others, key=lambda other: (similarity[group.node, other.node], -other.node))

    def absorb(group: CellGroup, small: CellGroup) -> None:
        group.size += small.size
        if group.children:
            absorb(nearest(small, group.children), small)
        else:
            group.cells += [cell for leaf in small.leaves() for cell in leaf.cells]

    def visit(node: int) -> CellGroup:
        if not children[node]:
            return CellGroup(node, int(sizes[node]), [node])
        groups = [visit(child) for child in children[node]]
        total = sum(group.size for group in groups)
        while len(groups) > 1:
            small = min(groups, key=lambda group: group.size)
            if small.size >= max(least, TINY_SHARE * total / len(groups)):
                return CellGroup(node, total, children=groups)
            groups = [group for group in groups if group is not small]
            absorb(nearest(small, groups), small)
        return groups[0]

    return visit(0)
