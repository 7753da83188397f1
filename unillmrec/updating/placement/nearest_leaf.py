"""Find the leaf nearest to an item: a beam search down the tree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unillmrec.store import ROOT, EditableTree
from unillmrec.tree.vector_rows import RowEntries, UnpackedVectors, row_entries
from unillmrec.tree.vectors import Floats, Vector
from unillmrec.updating.placement.pending_deltas import PendingDeltas

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# How many nodes of each level are kept; with one, a wrong turn at the top would be final.
BEAM_WIDTH = 3
# The children of so many branches are in memory at once: some forty megabytes.
BRANCHES_AT_ONCE = 256
ITEMS_AT_ONCE = 4_096


@dataclass(slots=True)
class ChangeSet:
    """What a change affected, for the refresh that follows, and what maintenance did.

    *leaves* gained or lost items; *nodes* are all others that must be summarized again.
    *moved* counts the items that came to or left each node.
    """

    nodes: set[int] = field(default_factory=set)
    leaves: set[int] = field(default_factory=set)
    deltas: PendingDeltas = field(default_factory=PendingDeltas)
    moved: Counter[int] = field(default_factory=Counter)
    splits: int = 0
    merges: int = 0
    regrown: int = 0

    def discard_nodes(self, removed: Iterable[int]) -> None:
        """Drop nodes that were removed from the tree."""
        removed = list(removed)
        self.nodes.difference_update(removed)
        self.leaves.difference_update(removed)

    def count_moved(self, tree: EditableTree, counts: Mapping[int, int]) -> None:
        """Record how many items came to or left nodes."""
        tree.add_move_counts(counts)
        self.moved.update(counts)

    def clear(self) -> None:
        """Drop everything, after the refresh has written it to the tree."""
        self.nodes.clear()
        self.leaves.clear()
        self.deltas = PendingDeltas()
        self.moved.clear()


@dataclass(slots=True)
class _Positions:
    """The nodes that items have reached: parallel arrays of item, node, score, is-a-leaf."""

    items: NDArray[np.int64]
    nodes: NDArray[np.int64]
    scores: Floats
    leaves: NDArray[np.bool_]

    def best(self, width: int) -> _Positions:
        """Return the *width* best positions of each item, best first."""
        order = np.lexsort((self.nodes, -self.scores, self.items))
        items = self.items[order]
        first = np.concatenate([[True], items[1:] != items[:-1]])
        place = np.arange(len(items)) - np.maximum.accumulate(
            np.where(first, np.arange(len(items)), 0)
        )
        kept = order[place < width]
        return _Positions(self.items[kept], self.nodes[kept], self.scores[kept], self.leaves[kept])


def nearest_leaves(
    tree: EditableTree, rows: csr_matrix | Floats, starts: Sequence[int] | None = None
) -> list[int]:
    """Return for each row the nearest leaf below its node in *starts*, or below the root."""
    count = rows.shape[0]
    starts = [ROOT] * count if starts is None else starts
    states = tree.node_states(sorted(set(starts)))
    if all(state.is_leaf for state in states.values()):
        return list(starts)
    at = _Positions(
        np.arange(count),
        np.array(starts, np.int64),
        np.ones(count, np.float32),
        np.array([states[start].is_leaf for start in starts], bool),
    )
    while not at.leaves.all():
        at = _concatenated([_at_leaves(at), *_descend(tree, rows, at)]).best(BEAM_WIDTH)
    return [int(node) for node in at.best(1).nodes]


def _at_leaves(at: _Positions) -> _Positions:
    kept = at.leaves
    return _Positions(at.items[kept], at.nodes[kept], at.scores[kept], at.leaves[kept])


def _descend(tree: EditableTree, rows: csr_matrix | Floats, at: _Positions) -> Iterator[_Positions]:
    """Move every item that is at a branch to the nearest children of the branch."""
    moving = np.flatnonzero(~at.leaves)
    branches, places = np.unique(at.nodes[moving], return_inverse=True)
    order = np.argsort(places, kind="stable")
    items, places = at.items[moving[order]], places[order]
    for first in range(0, len(branches), BRANCHES_AT_ONCE):
        last = first + BRANCHES_AT_ONCE
        start, end = np.searchsorted(places, [first, last])
        table = _ChildTable(tree, branches[first:last])
        yield table.nearest(rows, items[start:end], places[start:end] - first)


class _ChildTable:
    """The children of a few branches, one row for each branch, with their sums.

    All items at these branches are compared with all of their children at once, which is several
    times as fast as a product for each branch.
    """

    def __init__(self, tree: EditableTree, branches: NDArray[np.int64]) -> None:
        children = tree.children_with_sums(branches.tolist())
        parents, nodes, leaves, packed = zip(*children, strict=True) if children else [()] * 4
        self._rows = np.searchsorted(branches, np.array(parents, np.int64))
        # The position of each child among its siblings, which were read in order.
        starts = np.searchsorted(self._rows, self._rows)
        self._columns = np.arange(len(children)) - starts
        self._sums = UnpackedVectors.unpack(packed, sparse=tree.sparse, precise=True)
        self._shape = (len(branches), int(self._columns.max(initial=-1)) + 1)
        self._exists = self._spread(np.ones(len(children), np.bool_))
        self._nodes = self._spread(np.array(nodes, np.int64))
        self._leaves = self._spread(np.array(leaves, np.bool_))
        lengths = self._spread(self._sums.norms())
        self._lengths = np.where(lengths > 0, lengths, 1)

    def _spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Put the value of each child into the row of its branch."""
        table = np.zeros(self._shape, values.dtype)
        table[self._rows, self._columns] = values
        return table

    def nearest(
        self, rows: csr_matrix | Floats, items: NDArray[np.int64], at: NDArray[np.int64]
    ) -> _Positions:
        """Return the best few children for each item; *at* are the rows of the items' branches."""
        products = self._products(rows, items, at)
        scores = np.where(self._exists[at], products / self._lengths[at], -np.inf)
        # Only the best few children of each branch can be among the best few of all.
        best = np.argsort(-scores, axis=1, kind="stable")[:, :BEAM_WIDTH]
        row = at[:, None]
        found = self._exists[row, best].ravel()
        return _Positions(
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
        terms = row_entries(rows, items)
        if not len(terms.ids):
            return products
        if (items == items[0]).all():
            return self._products_of_one(terms)[at]
        # A key stands for a term at a branch: collect those of the items, then find the children
        # that have them.
        width = max(rows.shape[1], int(self._sums.ids.max(initial=0)) + 1)
        wanted, places = np.unique(at[terms.owners] * width + terms.ids, return_inverse=True)
        # Scanning all terms of the children is faster than searching for each.
        anywhere = np.zeros(width, np.bool_)
        anywhere[terms.ids] = True
        near = np.flatnonzero(anywhere[self._sums.ids])
        owners = self._sums.owners_of(near)
        keys = self._rows[owners] * width + self._sums.ids[near]
        found = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
        held = wanted[found] == keys
        table = np.zeros((len(wanted), self._shape[1]), np.float32)
        table[found[held], self._columns[owners[held]]] = self._sums.vector.weights[near[held]]
        # Creating a scipy matrix would take longer than most of these products.
        for first in range(0, len(items), ITEMS_AT_ONCE):
            ends = terms.ends[first : first + ITEMS_AT_ONCE + 1]
            own = slice(ends[0], ends[-1])
            present = np.flatnonzero(np.diff(ends))
            if len(present):
                parts = table[places[own]] * terms.weights[own, None]
                sums = np.add.reduceat(parts, ends[present] - ends[0], dtype=np.float64)
                products[first + present] = sums
        return products

    def _products_of_one(self, terms: RowEntries) -> NDArray[np.floating]:
        """Return the product of a single item with every child."""
        own = slice(0, terms.ends[1])
        products = self._sums.products(Vector(terms.weights[own], terms.ids[own]))
        return self._spread(products.astype(np.float32))


def _concatenated(parts: Sequence[_Positions]) -> _Positions:
    return _Positions(
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.nodes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.leaves for part in parts]),
    )
