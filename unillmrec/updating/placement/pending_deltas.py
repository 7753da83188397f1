"""Collect the items that came to and left nodes, and apply them to the stored sums."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from unillmrec.store import STALE_SHARE, EditableTree, NodeTotals
from unillmrec.tree.vector_rows import UnpackedVectors, row_entries
from unillmrec.tree.vectors import Floats, Vector

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# A node is summarized in full when half of this share to all of it came or went. Until then its
# sum is adjusted, and only its titles and ranges can be out of date: never more than a model's
# summary that still counts as fresh.
SUMMARIZE_AT = STALE_SHARE


class PendingDeltas:
    """Items that came to or left leaves, counted for all nodes above them at that time.

    *outdated* are the items that left a leaf or changed their title: nodes that show them must
    be summarized again. *counts* is by how many items each node grew, *moved* how many came to it
    or left it.
    """

    def __init__(self) -> None:
        self.outdated: set[int] = set()
        self.counts: Counter[int] = Counter()
        self.moved: Counter[int] = Counter()
        self._priors: defaultdict[int, float] = defaultdict(float)
        self._parts: list[csr_matrix | Floats] = []
        # The sign of each row of the parts, and the nodes it counts in.
        self._signs: list[int] = []
        self._nodes: list[tuple[int, ...]] = []

    def add(
        self,
        tree: EditableTree,
        leaves: Sequence[int],
        rows: csr_matrix | Floats,
        priors: Sequence[float],
        sign: int,
    ) -> None:
        """Record that items came to leaves (*sign* 1) or left them (-1), before nodes change."""
        self._parts.append(rows)
        self._signs += [sign] * len(leaves)
        self._nodes += self._reach(tree, leaves, [sign * prior for prior in priors], sign)

    def add_rewritten(
        self, tree: EditableTree, leaves: Sequence[int], gains: Sequence[float]
    ) -> None:
        """Record by how much the popularity of items changed that were updated in their leaves."""
        self._reach(tree, leaves, gains, 0)

    def add_reweighted(self, tree: EditableTree, node: int, row: csr_matrix | Floats) -> None:
        """Record that the vectors of the items below a node changed, by *row* in total."""
        self._parts.append(row)
        self._signs.append(1)
        self._nodes += self._reach(tree, [node], [0.0], 0)

    def _reach(
        self, tree: EditableTree, leaves: Sequence[int], priors: Sequence[float], sign: int
    ) -> list[tuple[int, ...]]:
        """Count items in all nodes above their leaves; return the path up from each leaf."""
        paths = paths_to_root(tree, set(leaves))
        gained: defaultdict[int, list[float]] = defaultdict(list)
        for leaf, prior in zip(leaves, priors, strict=True):
            gained[leaf].append(prior)
        for leaf, own in gained.items():
            for node in paths[leaf]:
                self.counts[node] += sign * len(own)
                self.moved[node] += abs(sign) * len(own)
                self._priors[node] += sum(own)
        return [paths[leaf] for leaf in leaves]

    def nodes(self) -> set[int]:
        """Return the nodes whose sizes, sums or priors changed."""
        return set(self.counts)

    def apply_to(self, tree: EditableTree, nodes: Iterable[int]) -> dict[int, Vector]:
        """Update the stored sums, sizes and priors of *nodes*; return the new sums."""
        chosen = sorted(nodes)
        states = tree.sizes_and_priors(chosen)
        sums = dict(zip(chosen, self._sums(tree, chosen), strict=True))
        gains = []
        for node, total in sums.items():
            size, prior = states[node]
            new_size = size + self.counts[node]
            prior = (prior * size + self._priors[node]) / max(new_size, 1)
            gains.append(NodeTotals(node, new_size, prior, total.to_bytes(precise=True)))
        tree.update_totals(gains)
        return sums

    def _sums(self, tree: EditableTree, nodes: Sequence[int]) -> list[Vector]:
        """Return the new sums of *nodes*."""
        if not nodes:
            return []
        places = {node: place for place, node in enumerate(nodes)}
        held = [
            (places[node], row, sign)
            for row, (sign, above) in enumerate(zip(self._signs, self._nodes, strict=True))
            for node in above
            if node in places
        ]
        sums = UnpackedVectors.unpack(tree.packed_sums(nodes), sparse=tree.sparse, precise=True)
        at, rows, signs = np.array(held, np.int64).reshape(-1, 3).T
        if not tree.sparse:
            totals = sums.dense().copy()
            if len(at):
                np.add.at(totals, at, signs[:, None] * np.concatenate(self._parts)[rows])
            return [Vector(total) for total in totals]
        gained = row_entries(_stacked(self._parts), rows)
        return sums.with_added(at[gained.owners], gained.ids, gained.weights * signs[gained.owners])


def _stacked(parts: Sequence[csr_matrix | Floats]) -> csr_matrix:
    """Return sparse parts as one matrix, as wide as the widest part."""
    from scipy.sparse import csr_matrix, vstack

    sparse = [part for part in parts if not isinstance(part, np.ndarray)]
    if len(sparse) < 2:
        return sparse[0] if sparse else csr_matrix((0, 1), dtype=np.float32)
    width = max(part.shape[1] for part in sparse)
    for part in sparse:
        part.resize((part.shape[0], width))
    return csr_matrix(vstack(sparse))


def passes_step(before: int, now: int, size: int) -> bool:
    """Return whether enough items of a node moved between *before* and *now* to summarize it."""
    # Steps are powers of two, whose multiples are multiples of all smaller steps too: a node whose
    # size changes neither passes a multiple twice nor skips one.
    step = 1 << (max(1, int(SUMMARIZE_AT * size)).bit_length() - 1)
    return now // step > before // step


def paths_to_root(tree: EditableTree, leaves: set[int]) -> dict[int, tuple[int, ...]]:
    """Return for each leaf the path from it to the root, both included."""
    parents = tree.parents_up_to_root(leaves)
    paths = {}
    for leaf in leaves:
        path = [leaf]
        while (parent := parents[path[-1]]) is not None:
            path.append(parent)
        paths[leaf] = tuple(path)
    return paths
