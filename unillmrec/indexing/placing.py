"""Find the leaf an item belongs in: down the tree, the nearest few nodes at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.indexing.moves import Moves
from unillmrec.indexing.rows import Stack, row_vector
from unillmrec.store import ROOT, EditableTree
from unillmrec.tree.vectors import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# How many nodes of a level are followed; with one, a wrong turn at the top is final.
WIDTH = 3
# For so few rows, one item or two on all ways they take, looking terms up is faster than a
# product of matrices.
FEW = 2 * WIDTH
# How many nodes' sums are held at once: some forty megabytes.
AT_ONCE = 4_000


@dataclass(slots=True)
class Touched:
    """What a change has touched, for the refresh that follows, and what upkeep did.

    *leaves* are those to which items came or which they left; *nodes* are all else that must be
    summed up and told anew. *moved* says how many items the change moved below each node.
    """

    nodes: set[int] = field(default_factory=set)
    leaves: set[int] = field(default_factory=set)
    moves: Moves = field(default_factory=Moves)
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
        tree.note_moved(counts)
        self.moved.update(counts)

    def settle(self) -> None:
        """Drop everything, for it is in the tree now."""
        self.nodes.clear()
        self.leaves.clear()
        self.moves = Moves()
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
    states = tree.states(sorted(set(starts)))
    if all(state.is_leaf for state in states.values()):
        return list(starts)
    points = _Points(tree, rows)
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

    def __init__(self, tree: EditableTree, rows: csr_matrix | Floats) -> None:
        self._tree = tree
        self._rows = rows

    def closeness(
        self, items: Sequence[NDArray[np.int64]], families: Sequence[Sequence[int]]
    ) -> Iterator[Floats]:
        """Yield the cosines of the items at each branch with what its children point to."""
        if sum(map(len, items)) <= FEW:
            together = self._few(items, families)
        else:
            together = self._many(items, families)
        for products, lengths in together:
            yield (products / np.where(lengths > 0, lengths, 1)).astype(np.float32)

    def _few(
        self, items: Sequence[NDArray[np.int64]], families: Sequence[Sequence[int]]
    ) -> Iterator[tuple[NDArray[np.floating], NDArray[np.floating]]]:
        for some, nodes in zip(items, families, strict=True):
            packed = self._tree.packed_sums(nodes)
            sums = Stack.unpacked(packed, sparse=self._tree.sparse, precise=True)
            queries = [row_vector(self._rows, int(item)) for item in some]
            yield np.stack([sums.products(query) for query in queries]), sums.norms()

    def _many(
        self, items: Sequence[NDArray[np.int64]], families: Sequence[Sequence[int]]
    ) -> Iterator[tuple[NDArray[np.floating], NDArray[np.floating]]]:
        ends = np.cumsum([0, *map(len, families)])
        first = 0
        while first < len(families):
            # As many families as fit into some memory are read at once.
            last = max(first + 1, int(np.searchsorted(ends, ends[first] + AT_ONCE, "right")) - 1)
            nodes = [node for family in families[first:last] for node in family]
            sums = self._tree.node_rows(nodes)
            lengths = _lengths(sums)
            for place in range(first, last):
                own = slice(ends[place] - ends[first], ends[place + 1] - ends[first])
                products = self._rows[items[place]] @ sums[own].T
                dense = products if isinstance(products, np.ndarray) else products.toarray()
                yield dense, lengths[own]
            first = last


def _lengths(sums: csr_matrix | Floats) -> NDArray[np.floating]:
    if isinstance(sums, np.ndarray):
        lengths: NDArray[np.floating] = np.linalg.norm(sums, axis=1)
        return lengths
    owners = np.repeat(np.arange(sums.shape[0]), np.diff(sums.indptr))
    return np.sqrt(np.bincount(owners, sums.data**2, sums.shape[0]))


def _steps(tree: EditableTree, points: _Points, at: _Reached) -> list[_Reached]:
    """Take every item that stands at a branch to all of the branch's children."""
    order = np.argsort(at.nodes[~at.leaves], kind="stable")
    moving = np.flatnonzero(~at.leaves)[order]
    branches, starts = np.unique(at.nodes[moving], return_index=True)
    families = list(tree.families(branches.tolist()).values())
    items = np.split(at.items[moving], starts[1:])
    children = [[child for child, _ in family] for family in families]
    steps = []
    closeness = points.closeness(items, children)
    for family, some, scores in zip(families, items, closeness, strict=True):
        # None but the best few of each family can be among the best few of all.
        best = np.argsort(-scores, axis=1, kind="stable")[:, :WIDTH]
        steps.append(
            _Reached(
                np.repeat(some, best.shape[1]),
                np.array([child for child, _ in family], np.int64)[best].ravel(),
                np.take_along_axis(scores, best, axis=1).ravel(),
                np.array([is_leaf for _, is_leaf in family], bool)[best].ravel(),
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
