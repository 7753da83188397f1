"""Grow a tree by clustering, from the root down, and flatten it where there is room."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unillmrec.tree.clustering import cluster_points, cluster_rows
from unillmrec.tree.vectors import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Rows = NDArray[np.int64]
Seed: TypeAlias = tuple[int, ...]
"""The seed of a build, followed by the child index taken at each level."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many children and items a node may have.

    A build aims at *fan_out* children and *leaf_target* items. Changes may take a node up to
    *most_children* and *leaf_capacity*.
    """

    fan_out: int = 16
    most_children: int = 20
    root_children: int = 32
    leaf_target: int = 30
    leaf_capacity: int = 50

    def groups_for(self, count: int) -> tuple[int, int]:
        """Return how many groups to split *count* items into, and the largest size of a group."""
        groups = max(2, min(self.fan_out, math.ceil(count / self.leaf_target)))
        cap = math.ceil(1.5 * count / groups)
        # If all groups fit leaves, make them leaves.
        if groups * self.leaf_capacity >= 1.1 * count:
            cap = min(cap, self.leaf_capacity)
        return groups, cap


@dataclass(slots=True)
class Growth:
    """A node of a growing tree: a branch with children, or a leaf with rows.

    *label* is the name that the catalog gives it, if it comes from a path.
    """

    rows: Rows | None
    children: list[Growth]
    label: str = ""


def grow(points: csr_matrix | Floats, rows: Rows, bounds: Bounds, seed: Seed) -> Growth:
    """Split *rows* of *points* repeatedly until every part fits into a leaf.

    The same points, rows and *seed* give the same subtree. Each node has a seed of its own, so
    that subtrees can be grown anywhere and in any order.
    """
    if len(rows) <= bounds.leaf_capacity:
        return Growth(rows, [])
    parts = split(points, rows, bounds, seed)
    return Growth(None, [grow(points, part, bounds, (*seed, n)) for n, part in enumerate(parts)])


def split(points: csr_matrix | Floats, rows: Rows, bounds: Bounds, seed: Seed) -> list[Rows]:
    """Split *rows* into two or more groups of similar points."""
    groups, cap = bounds.groups_for(len(rows))
    selected = points[rows] if len(rows) < points.shape[0] else points
    cluster = cluster_points if isinstance(selected, np.ndarray) else cluster_rows
    labels = cluster(selected, groups, cap, seed)
    order = np.argsort(labels, kind="stable")
    return [rows[part] for part in np.split(order, np.cumsum(np.bincount(labels))[:-1])]


def flatten(root: Growth, bounds: Bounds) -> Growth:
    """Replace small branches by their children wherever the parent has room for them.

    The root, which every walk reads once, may have more children than a branch.
    """
    for child in root.children:
        _flatten_below(child, bounds.fan_out)
    return _lift_children(root, bounds.root_children)


def _flatten_below(node: Growth, most: int) -> None:
    for child in node.children:
        _flatten_below(child, most)
    _lift_children(node, most)


def _lift_children(node: Growth, most: int) -> Growth:
    """Replace branches by their children, the smallest first, while *most* children suffice."""
    while True:
        inner = [child for child in node.children if child.children]
        smallest = min(inner, key=lambda child: len(child.children), default=None)
        if smallest is None or len(node.children) - 1 + len(smallest.children) > most:
            return node
        at = next(n for n, child in enumerate(node.children) if child is smallest)
        node.children[at : at + 1] = smallest.children


@dataclass(frozen=True, slots=True)
class Shape:
    """A grown tree as lists: nodes in depth-first order, starting with the root.

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
                # Leaves keep the order of the catalog, so that it is the same in every build.
                order.append(np.sort(node.rows))
                position += len(node.rows)
            for child in node.children:
                visit(child, number, depth + 1)
            ends[number] = position

        visit(root, -1, 0)
        return cls(parents, depths, starts, ends, leaves, np.concatenate(order), labels)

    def children(self) -> list[list[int]]:
        """Return the children of each node, in order."""
        children: list[list[int]] = [[] for _ in self.parents]
        for number, parent in enumerate(self.parents):
            if parent >= 0:
                children[parent].append(number)
        return children
