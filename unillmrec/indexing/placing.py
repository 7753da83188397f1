"""Find the leaf an item belongs in: down the tree, the nearest few nodes at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.indexing.rows import as_rows
from unillmrec.store import ROOT, EditableTree
from unillmrec.tree.vectors import Floats, Vector

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# How many nodes of a level are followed; with one, a wrong turn at the top is final.
WIDTH = 3


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
    rows = as_rows(vectors, int(tree.facts["next_term"]))
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


def _steps(tree: EditableTree, rows: csr_matrix | Floats, at: _Reached) -> list[_Reached]:
    """Take every item that stands at a branch to all of the branch's children."""
    branches = np.unique(at.nodes[~at.leaves]).tolist()
    families = tree.child_states(branches)
    steps = []
    for branch in branches:
        family = families[branch]
        items = at.items[at.nodes == branch]
        scores = _closeness(rows[items], tree.node_rows([child.id for child in family]))
        steps.append(
            _Reached(
                np.repeat(items, len(family)),
                np.tile([child.id for child in family], len(items)),
                np.asarray(scores, np.float32).ravel(),
                np.tile([child.is_leaf for child in family], len(items)),
            )
        )
    return steps


def _closeness(rows: csr_matrix | Floats, sums: csr_matrix | Floats) -> Floats:
    """Return the cosine of unit *rows* with what each of *sums* points to."""
    if isinstance(sums, np.ndarray):
        lengths = np.linalg.norm(sums, axis=1)
        products = rows @ sums.T
    else:
        lengths = np.sqrt(np.bincount(_owners(sums), sums.data**2, sums.shape[0]))
        products = (rows @ sums.T).toarray()
    closeness: Floats = (products / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return closeness


def _owners(rows: csr_matrix) -> NDArray[np.int64]:
    return np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))


def _joined(parts: Sequence[_Reached]) -> _Reached:
    return _Reached(
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.nodes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.leaves for part in parts]),
    )
