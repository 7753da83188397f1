"""The top of a large tree, grown over a sample: which cell does an item belong to?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from unillmrec.tree.clustering import TINY_SHARE, Labels, one_thread
from unillmrec.tree.growing import Bounds, Rows, split

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Centres of fewer sampled items than this are chance: such a part is not parted further.
LEAST_SAMPLED = 512


@dataclass(frozen=True, slots=True)
class TopTree:
    """Nodes in depth-first order; one without children is a cell. *centres* has a row for each."""

    parents: list[int]
    centres: csr_matrix

    def children(self) -> list[list[int]]:
        """Return the children of each node."""
        found: list[list[int]] = [[] for _ in self.parents]
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                found[parent].append(node)
        return found

    def place(self, node: int) -> list[int]:
        """Return the way to a node from the root: the how manieth child, again and again."""
        families, place = self.children(), []
        while (parent := self.parents[node]) >= 0:
            place.append(families[parent].index(node))
            node = parent
        return place[::-1]

    def cell_of(self, rows: csr_matrix) -> Labels:
        """Return the node that is the cell of each row: the nearest centre, level by level."""
        at = np.zeros(rows.shape[0], np.int64)
        for node, family in enumerate(self.children()):
            held = np.flatnonzero(at == node)
            if family and len(held):
                closeness = (rows[held] @ self.centres[family].T).toarray()
                at[held] = np.array(family)[np.argmax(closeness, axis=1)]
        return at


def grow_top(rows: csr_matrix, bounds: Bounds, seed: int, largest: int) -> TopTree:
    """Part a sample again and again until a part stands for no more than one cell."""
    from scipy.sparse import csr_matrix, vstack

    parents: list[int] = []
    centres: list[csr_matrix] = []

    def visit(held: Rows, parent: int, place: tuple[int, ...]) -> None:
        node = len(parents)
        parents.append(parent)
        centres.append(csr_matrix(_centre(rows, held)))
        if len(held) > largest:
            for number, part in enumerate(split(rows, held, bounds, place)):
                visit(part, node, (*place, number))

    with one_thread():
        visit(np.arange(rows.shape[0], dtype=np.int64), -1, (seed,))
    return TopTree(parents, vstack(centres, format="csr", dtype=np.float32))


def largest_in_sample(cell: int, sampled: int, total: int, bounds: Bounds) -> int:
    """Return how many sampled items may stand for one cell of *cell* items."""
    least = min(LEAST_SAMPLED, sampled // 4) if sampled < total else 0
    return max(cell * sampled // total, least, bounds.leaf_capacity)


def _centre(rows: csr_matrix, held: Rows) -> Any:
    total = np.asarray(rows[held].sum(axis=0), np.float32)
    length = np.linalg.norm(total)
    return total / length if length > 0 else total


@dataclass(slots=True)
class Part:
    """A branch of the top, or, without children, one or more cells grown together."""

    node: int
    size: int
    cells: list[int] = field(default_factory=list)
    children: list[Part] = field(default_factory=list)

    def groups(self) -> list[Part]:
        """Return the parts that are grown, in the order of the tree."""
        if not self.children:
            return [self]
        return [group for child in self.children for group in child.groups()]


def gather_cells(top: TopTree, sizes: Sequence[int], least: int) -> Part:
    """Join cells that few items came to with the one most like them.

    *sizes* counts the items of each node that is a cell. What is left has *least* items or
    more, unless all there is has less.
    """
    families = top.children()
    alike = (top.centres @ top.centres.T).tocsr()

    def nearest(part: Part, others: Sequence[Part]) -> Part:
        return max(others, key=lambda other: (alike[part.node, other.node], -other.node))

    def take_in(part: Part, small: Part) -> None:
        part.size += small.size
        if part.children:
            take_in(nearest(small, part.children), small)
        else:
            part.cells += [cell for group in small.groups() for cell in group.cells]

    def visit(node: int) -> Part:
        if not families[node]:
            return Part(node, int(sizes[node]), [node])
        parts = [visit(child) for child in families[node]]
        total = sum(part.size for part in parts)
        while len(parts) > 1:
            small = min(parts, key=lambda part: part.size)
            if small.size >= max(least, TINY_SHARE * total / len(parts)):
                return Part(node, total, children=parts)
            parts = [part for part in parts if part is not small]
            take_in(nearest(small, parts), small)
        return parts[0]

    return visit(0)
