"""Find the leaf an item belongs in: down the tree, the nearest few nodes at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.indexing.rows import Stack, as_rows
from unillmrec.store import ROOT, EditableTree
from unillmrec.tree.vectors import Floats, Vector

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# How many nodes of a level are followed; with one, a wrong turn at the top is final.
WIDTH = 3
# For so few rows, looking terms up is faster than a product of matrices.
FEW = 2


@dataclass(slots=True)
class Touched:
    """What a change has touched, for the refresh that follows, and what upkeep did."""

    nodes: set[int] = field(default_factory=set)
    splits: int = 0
    merges: int = 0
    regrown: int = 0

    def forget(self, gone: Iterable[int]) -> None:
        """Drop nodes that are no more."""
        self.nodes.difference_update(gone)


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
    tree: EditableTree, vectors: Sequence[Vector], starts: Sequence[int] | None = None
) -> list[int]:
    """Return for each vector the id of the leaf it is nearest to, below where it *starts*."""
    count = len(vectors)
    starts = [ROOT] * count if starts is None else starts
    states = tree.states(sorted(set(starts)))
    if all(state.is_leaf for state in states.values()):
        return list(starts)
    points = _Points(tree, vectors)
    at = _Reached(
        np.arange(count),
        np.array(starts, np.int64),
        np.ones(count, np.float32),
        np.array([states[start].is_leaf for start in starts], bool),
    )
    while not at.leaves.all():
        at = _joined([_settled(at), *_steps(tree, points, at)]).best(WIDTH)
    return [int(node) for node in at.best(1).nodes]


def _settled(at: _Reached) -> _Reached:
    kept = at.leaves
    return _Reached(at.items[kept], at.nodes[kept], at.scores[kept], at.leaves[kept])


class _Points:
    """The vectors that are to be placed, and how near they are to nodes of a tree."""

    def __init__(self, tree: EditableTree, vectors: Sequence[Vector]) -> None:
        self._tree = tree
        self._vectors = vectors
        self._rows: csr_matrix | Floats | None = None

    def closeness(self, items: NDArray[np.int64], nodes: Sequence[int]) -> Floats:
        """Return the cosines of *items* with what the sums of *nodes* point to."""
        if len(items) <= FEW:
            sums = Stack.unpacked(
                self._tree.packed_sums(nodes), sparse=self._tree.sparse, precise=True
            )
            products = np.stack([sums.products(self._vectors[item]) for item in items])
            lengths = sums.norms()
        else:
            products, lengths = self._many(items, nodes)
        closeness: Floats = (products / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        return closeness

    def _many(
        self, items: NDArray[np.int64], nodes: Sequence[int]
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        if self._rows is None:
            self._rows = as_rows(self._vectors, int(self._tree.facts["next_term"]))
        sums = self._tree.node_rows(nodes)
        if isinstance(sums, np.ndarray):
            return self._rows[items] @ sums.T, np.linalg.norm(sums, axis=1)
        owners = np.repeat(np.arange(sums.shape[0]), np.diff(sums.indptr))
        products = (self._rows[items] @ sums.T).toarray()
        return products, np.sqrt(np.bincount(owners, sums.data**2, sums.shape[0]))


def _steps(tree: EditableTree, points: _Points, at: _Reached) -> list[_Reached]:
    """Take every item that stands at a branch to all of the branch's children."""
    branches = np.unique(at.nodes[~at.leaves]).tolist()
    families = tree.child_states(branches)
    steps = []
    for branch in branches:
        family = families[branch]
        items = at.items[at.nodes == branch]
        scores = points.closeness(items, [child.id for child in family])
        # None but the best few of each family can be among the best few of all.
        best = np.argsort(-scores, axis=1, kind="stable")[:, :WIDTH]
        steps.append(
            _Reached(
                np.repeat(items, best.shape[1]),
                np.array([child.id for child in family], np.int64)[best].ravel(),
                np.take_along_axis(scores, best, axis=1).ravel(),
                np.array([child.is_leaf for child in family], bool)[best].ravel(),
            )
        )
    return steps


def _joined(parts: Sequence[_Reached]) -> _Reached:
    return _Reached(
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.nodes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.leaves for part in parts]),
    )
