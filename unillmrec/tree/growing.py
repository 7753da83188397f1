"""Grow a tree over all items, from the root down, and straighten it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.tree.clustering import groups_of_points, groups_of_rows
from unillmrec.tree.vectors import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How wide and how deep a tree may be.

    *fan_out* is what a build aims at, *most_children* what no change may exceed;
    *leaf_target* and *leaf_capacity* likewise.
    """

    fan_out: int = 16
    most_children: int = 20
    root_children: int = 32
    leaf_target: int = 30
    leaf_capacity: int = 50

    def groups_for(self, count: int) -> tuple[int, int]:
        """Return into how many groups to part *count* items, and how large one may become."""
        groups = max(2, min(self.fan_out, math.ceil(count / self.leaf_target)))
        cap = math.ceil(1.5 * count / groups)
        # Where the groups can all be leaves, they are.
        if groups * self.leaf_capacity >= 1.1 * count:
            cap = min(cap, self.leaf_capacity)
        return groups, cap


@dataclass(slots=True)
class Growth:
    """A node of a tree being grown: children, or the rows of a leaf.

    *label* is the catalog's own name for it, if it comes from a path.
    """

    rows: Rows | None
    children: list[Growth]
    label: str = ""


def grow(points: csr_matrix | Floats, rows: Rows, bounds: Bounds, place: tuple[int, ...]) -> Growth:
    """Part *rows* of *points* again and again until every part fits a leaf.

    The same points, rows and *place* give the same subtree: each node draws from a
    generator named by its place, so that subtrees can be grown anywhere, in any order.
    """
    if len(rows) <= bounds.leaf_capacity:
        return Growth(rows, [])
    parts = split(points, rows, bounds, place)
    return Growth(None, [grow(points, part, bounds, (*place, n)) for n, part in enumerate(parts)])


def split(
    points: csr_matrix | Floats, rows: Rows, bounds: Bounds, place: tuple[int, ...]
) -> list[Rows]:
    """Part *rows* into two or more groups of like ones."""
    groups, cap = bounds.groups_for(len(rows))
    chosen = points[rows] if len(rows) < points.shape[0] else points
    parted = groups_of_points if isinstance(chosen, np.ndarray) else groups_of_rows
    labels = parted(chosen, groups, cap, place)
    order = np.argsort(labels, kind="stable")
    return [rows[part] for part in np.split(order, np.cumsum(np.bincount(labels))[:-1])]


def straighten(root: Growth, bounds: Bounds) -> Growth:
    """Lift the children of small inner nodes into parents that have room for them.

    The root, which is read once in every walk, may take more children than a branch.
    """
    for child in root.children:
        _straighten_below(child, bounds.fan_out)
    return _lift(root, bounds.root_children)


def _straighten_below(node: Growth, most: int) -> None:
    for child in node.children:
        _straighten_below(child, most)
    _lift(node, most)


def _lift(node: Growth, most: int) -> Growth:
    """Put grandchildren in the place of a child, smallest families first, up to *most*."""
    while True:
        inner = [child for child in node.children if child.children]
        smallest = min(inner, key=lambda child: len(child.children), default=None)
        if smallest is None or len(node.children) - 1 + len(smallest.children) > most:
            return node
        at = next(n for n, child in enumerate(node.children) if child is smallest)
        node.children[at : at + 1] = smallest.children


@dataclass(frozen=True, slots=True)
class Shape:
    """A grown tree as arrays: nodes in depth-first order, the root first.

    The rows of node *n* are `order[starts[n]:ends[n]]`, in leaves and branches alike.
    """

    parents: list[int]
    depths: list[int]
    starts: list[int]
    ends: list[int]
    leaves: list[bool]
    order: Rows
    labels: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, root: Growth) -> Shape:
        """Number the nodes of a grown tree."""
        parents: list[int] = []
        depths: list[int] = []
        starts: list[int] = []
        ends: list[int] = []
        leaves: list[bool] = []
        order: list[Rows] = []
        labels: list[str] = []
        position = 0

        def visit(node: Growth, parent: int, depth: int) -> None:
            nonlocal position
            number = len(parents)
            parents.append(parent)
            depths.append(depth)
            starts.append(position)
            ends.append(position)
            leaves.append(node.rows is not None)
            labels.append(node.label)
            if node.rows is not None:
                # The catalog's own order inside a leaf: it is the same for every build.
                order.append(np.sort(node.rows))
                position += len(node.rows)
            for child in node.children:
                visit(child, number, depth + 1)
            ends[number] = position

        visit(root, -1, 0)
        return cls(parents, depths, starts, ends, leaves, np.concatenate(order), labels)

    def children(self) -> list[list[int]]:
        """Return the children of each node, in order."""
        found: list[list[int]] = [[] for _ in self.parents]
        for number, parent in enumerate(self.parents):
            if parent >= 0:
                found[parent].append(number)
        return found
