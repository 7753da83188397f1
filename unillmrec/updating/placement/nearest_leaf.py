"""Find the leaf an item belongs in: down the tree, the nearest few nodes at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unillmrec.store import ROOT, EditableTree
from unillmrec.tree.vector_rows import Entries, Stack, entries
from unillmrec.tree.vectors import Floats, Vector
from unillmrec.updating.placement.pending_deltas import PendingDeltas

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# How many nodes of a level are followed; with one, a wrong turn at the top is final.
WIDTH = 3
# The children of so many branches are held at once: some forty megabytes.
BRANCHES_AT_ONCE = 256
ITEMS_AT_ONCE = 4_096


@dataclass(slots=True)
class ChangeSet:
    """What a change has touched, for the refresh that follows, and what upkeep did.

    *leaves* are those to which items came or which they left; *nodes* are all else that must be
    summed up and told anew. *moved* says how many items the change moved below each node.
    """

    nodes: set[int] = field(default_factory=set)
    leaves: set[int] = field(default_factory=set)
    moves: PendingDeltas = field(default_factory=PendingDeltas)
    moved: Counter[int] = field(default_factory=Counter)
    splits: int = 0
    merges: int = 0
    regrown: int = 0

    def forget(self, gone: Iterable[int]) -> None:
        """Drop nodes that are no more."""
        gone = list(gone)
        self.nodes.difference_update(gone)
        self.leaves.difference_update(gone)

    def note_moved(self, tree: EditableTree, counts: Mapping[int, int]) -> None:
        """Note that so many items came to nodes or left them."""
        tree.add_move_counts(counts)
        self.moved.update(counts)

    def settle(self) -> None:
        """Drop everything, for it is in the tree now."""
        self.nodes.clear()
        self.leaves.clear()
        self.moves = PendingDeltas()
        self.moved.clear()


@dataclass(slots=True)
class _Reached:
    """Where items have got to: parallel arrays of item, node, score, and whether it is a leaf."""

    items: NDArray[np.int64]
    nodes: NDArray[np.int64]
    scores: Floats
    leaves: NDArray[np.bool_]

    def best(self, width: int) -> _Reached:
        """Return the *width* best of each item, best first."""
        order = np.lexsort((self.nodes, -self.scores, self.items))
        items = self.items[order]
        first = np.concatenate([[True], items[1:] != items[:-1]])
        place = np.arange(len(items)) - np.maximum.accumulate(
            np.where(first, np.arange(len(items)), 0)
        )
        kept = order[place < width]
        return _Reached(self.items[kept], self.nodes[kept], self.scores[kept], self.leaves[kept])


def nearest_leaves(
    tree: EditableTree, rows: csr_matrix | Floats, starts: Sequence[int] | None = None
) -> list[int]:
    """Return for each row the id of the leaf it is nearest to, below where it *starts*."""
    count = rows.shape[0]
    starts = [ROOT] * count if starts is None else starts
    states = tree.node_states(sorted(set(starts)))
    if all(state.is_leaf for state in states.values()):
        return list(starts)
    at = _Reached(
        np.arange(count),
        np.array(starts, np.int64),
        np.ones(count, np.float32),
        np.array([states[start].is_leaf for start in starts], bool),
    )
    while not at.leaves.all():
        at = _joined([_settled(at), *_steps(tree, rows, at)]).best(WIDTH)
    return [int(node) for node in at.best(1).nodes]


def _settled(at: _Reached) -> _Reached:
    kept = at.leaves
    return _Reached(at.items[kept], at.nodes[kept], at.scores[kept], at.leaves[kept])


def _steps(tree: EditableTree, rows: csr_matrix | Floats, at: _Reached) -> Iterator[_Reached]:
    """Take every item that stands at a branch to the nearest of the branch's children."""
    moving = np.flatnonzero(~at.leaves)
    branches, places = np.unique(at.nodes[moving], return_inverse=True)
    order = np.argsort(places, kind="stable")
    items, places = at.items[moving[order]], places[order]
    for first in range(0, len(branches), BRANCHES_AT_ONCE):
        last = first + BRANCHES_AT_ONCE
        start, end = np.searchsorted(places, [first, last])
        families = _Families(tree, branches[first:last])
        yield families.nearest(rows, items[start:end], places[start:end] - first)


class _Families:
    """The children of a few branches, in a row for each branch, and what they point to.

    All items at all of these branches are compared with all children there at once: a product
    for each branch would take several times as long.
    """

    def __init__(self, tree: EditableTree, branches: NDArray[np.int64]) -> None:
        children = tree.children_with_sums(branches.tolist())
        parents, nodes, leaves, packed = zip(*children, strict=True) if children else [()] * 4
        self._rows = np.searchsorted(branches, np.array(parents, np.int64))
        # Of each child the place among its siblings; they were read in order.
        starts = np.searchsorted(self._rows, self._rows)
        self._columns = np.arange(len(children)) - starts
        self._sums = Stack.unpacked(packed, sparse=tree.sparse, precise=True)
        self._shape = (len(branches), int(self._columns.max(initial=-1)) + 1)
        self._there = self._spread(np.ones(len(children), np.bool_))
        self._nodes = self._spread(np.array(nodes, np.int64))
        self._leaves = self._spread(np.array(leaves, np.bool_))
        lengths = self._spread(self._sums.norms())
        self._lengths = np.where(lengths > 0, lengths, 1)

    def _spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Put a value for each child in its branch's row."""
        table = np.zeros(self._shape, values.dtype)
        table[self._rows, self._columns] = values
        return table

    def nearest(
        self, rows: csr_matrix | Floats, items: NDArray[np.int64], at: NDArray[np.int64]
    ) -> _Reached:
        """Return the best few children for each item, of the branch in whose row it is *at*."""
        products = self._products(rows, items, at)
        scores = np.where(self._there[at], products / self._lengths[at], -np.inf)
        # None but the best few of each family can be among the best few of all.
        best = np.argsort(-scores, axis=1, kind="stable")[:, :WIDTH]
        row = at[:, None]
        found = self._there[row, best].ravel()
        return _Reached(
            np.repeat(items, best.shape[1])[found],
            self._nodes[row, best].ravel()[found],
            scores[np.arange(len(best))[:, None], best].ravel()[found].astype(np.float32),
            self._leaves[row, best].ravel()[found],
        )

    def _products(
        self, rows: csr_matrix | Floats, items: NDArray[np.int64], at: NDArray[np.int64]
    ) -> NDArray[np.floating]:
        if not isinstance(rows, np.ndarray):
            return self._sparse_products(rows, items, at)
        products = np.zeros((len(items), self._shape[1]), np.float32)
        vectors = self._sums.dense()
        for row, (start, end) in enumerate(
            pairwise(np.searchsorted(at, range(self._shape[0] + 1)))
        ):
            own = vectors[self._rows == row]
            products[start:end, : len(own)] = rows[items[start:end]] @ own.T
        return products

    def _sparse_products(
        self, rows: csr_matrix, items: NDArray[np.int64], at: NDArray[np.int64]
    ) -> NDArray[np.floating]:
        products = np.zeros((len(items), self._shape[1]), np.float32)
        asked = entries(rows, items)
        if not len(asked.ids):
            return products
        if (items == items[0]).all():
            return self._products_of_one(asked)[at]
        # One key for a term at a branch: first those of the items, then who of the children
        # has them.
        width = max(rows.shape[1], int(self._sums.ids.max(initial=0)) + 1)
        wanted, places = np.unique(at[asked.owners] * width + asked.ids, return_inverse=True)
        # A look at every term of the children costs less than a search for it.
        anywhere = np.zeros(width, np.bool_)
        anywhere[asked.ids] = True
        near = np.flatnonzero(anywhere[self._sums.ids])
        owners = self._sums.owners_of(near)
        keys = self._rows[owners] * width + self._sums.ids[near]
        found = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
        held = wanted[found] == keys
        table = np.zeros((len(wanted), self._shape[1]), np.float32)
        table[found[held], self._columns[owners[held]]] = self._sums.vector.weights[near[held]]
        # Making a matrix takes scipy longer than most of these products take.
        for first in range(0, len(items), ITEMS_AT_ONCE):
            ends = asked.ends[first : first + ITEMS_AT_ONCE + 1]
            own = slice(ends[0], ends[-1])
            said = np.flatnonzero(np.diff(ends))
            if len(said):
                parts = table[places[own]] * asked.weights[own, None]
                sums = np.add.reduceat(parts, ends[said] - ends[0], dtype=np.float64)
                products[first + said] = sums
        return products

    def _products_of_one(self, asked: Entries) -> NDArray[np.floating]:
        """Return the product of a single item with every child."""
        own = slice(0, asked.ends[1])
        products = self._sums.products(Vector(asked.weights[own], asked.ids[own]))
        return self._spread(products.astype(np.float32))


def _joined(parts: Sequence[_Reached]) -> _Reached:
    return _Reached(
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.nodes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.leaves for part in parts]),
    )
