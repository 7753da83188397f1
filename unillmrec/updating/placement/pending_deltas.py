"""Items that came to nodes and left them, and what is kept of the nodes brought in step."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from unillmrec.store import STALE_SHARE, EditableTree, NodeTotals
from unillmrec.tree.vector_rows import Stack, entries
from unillmrec.tree.vectors import Floats, Vector

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# When so much of a node came or went, or half as much, it is summed up and told anew. Until then
# items are added to its sum and taken from it; of what it shows, only titles and ranges can be
# older, and no more than a summary by a model that is still good.
ANEW_AT = STALE_SHARE


class PendingDeltas:
    """Items that came to leaves or left them, for all nodes above as they were then.

    *elsewhere* are the items that left a leaf or have another title: who showed them must look
    again. *counts* says how many more items are below each node than before, *moved* how many
    came there or left.
    """

    def __init__(self) -> None:
        self.elsewhere: set[int] = set()
        self.counts: Counter[int] = Counter()
        self.moved: Counter[int] = Counter()
        self._priors: defaultdict[int, float] = defaultdict(float)
        self._parts: list[csr_matrix | Floats] = []
        # For each row of the parts, how it counts, and in which nodes.
        self._signs: list[int] = []
        self._nodes: list[tuple[int, ...]] = []

    def note(
        self,
        tree: EditableTree,
        leaves: Sequence[int],
        rows: csr_matrix | Floats,
        priors: Sequence[float],
        sign: int,
    ) -> None:
        """Note that items came to leaves (*sign* 1) or left them (-1), before nodes change."""
        self._parts.append(rows)
        self._signs += [sign] * len(leaves)
        self._nodes += self._reach(tree, leaves, [sign * prior for prior in priors], sign)

    def note_rewritten(
        self, tree: EditableTree, leaves: Sequence[int], more: Sequence[float]
    ) -> None:
        """Note that items of leaves were written anew, and became *more* popular."""
        self._reach(tree, leaves, more, 0)

    def note_weighed(self, tree: EditableTree, node: int, row: csr_matrix | Floats) -> None:
        """Note that the items below a node came to weigh more, by what is in a single *row*."""
        self._parts.append(row)
        self._signs.append(1)
        self._nodes += self._reach(tree, [node], [0.0], 0)

    def _reach(
        self, tree: EditableTree, leaves: Sequence[int], priors: Sequence[float], sign: int
    ) -> list[tuple[int, ...]]:
        """Count items in all nodes above their leaves; return the way up from each."""
        ways = ways_up(tree, set(leaves))
        gained: defaultdict[int, list[float]] = defaultdict(list)
        for leaf, prior in zip(leaves, priors, strict=True):
            gained[leaf].append(prior)
        for leaf, own in gained.items():
            for node in ways[leaf]:
                self.counts[node] += sign * len(own)
                self.moved[node] += abs(sign) * len(own)
                self._priors[node] += sum(own)
        return [ways[leaf] for leaf in leaves]

    def nodes(self) -> set[int]:
        """Return the nodes whose sizes, sums or priors are no longer right."""
        return set(self.counts)

    def bring_in_step(self, tree: EditableTree, nodes: Iterable[int]) -> dict[int, Vector]:
        """Add to the sums, sizes and priors of *nodes* what came and went; return the sums."""
        chosen = sorted(nodes)
        states = tree.sizes_and_priors(chosen)
        sums = dict(zip(chosen, self._sums(tree, chosen), strict=True))
        gains = []
        for node, total in sums.items():
            size, prior = states[node]
            grown = size + self.counts[node]
            prior = (prior * size + self._priors[node]) / max(grown, 1)
            gains.append(NodeTotals(node, grown, prior, total.to_bytes(precise=True)))
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
        sums = Stack.unpacked(tree.packed_sums(nodes), sparse=tree.sparse, precise=True)
        at, rows, signs = np.array(held, np.int64).reshape(-1, 3).T
        if not tree.sparse:
            totals = sums.dense().copy()
            if len(at):
                np.add.at(totals, at, signs[:, None] * np.concatenate(self._parts)[rows])
            return [Vector(total) for total in totals]
        gained = entries(_stacked(self._parts), rows)
        return sums.with_added(at[gained.owners], gained.ids, gained.weights * signs[gained.owners])


def _stacked(parts: Sequence[csr_matrix | Floats]) -> csr_matrix:
    """Return sparse parts as one; terms that came after the first was made widen the others."""
    from scipy.sparse import csr_matrix, vstack

    sparse = [part for part in parts if not isinstance(part, np.ndarray)]
    if len(sparse) < 2:
        return sparse[0] if sparse else csr_matrix((0, 1), dtype=np.float32)
    width = max(part.shape[1] for part in sparse)
    for part in sparse:
        part.resize((part.shape[0], width))
    return csr_matrix(vstack(sparse))


def passes_a_step(before: int, now: int, size: int) -> bool:
    """Return whether a node of *size*, of which *before* and *now* items moved, is due."""
    # The multiples of a power of two are among those of all smaller ones: however a node grows
    # or shrinks, it passes none of them twice and skips none.
    step = 1 << (max(1, int(ANEW_AT * size)).bit_length() - 1)
    return now // step > before // step


def ways_up(tree: EditableTree, leaves: set[int]) -> dict[int, tuple[int, ...]]:
    """Return for each leaf the way from it to the root, both included."""
    parents = tree.parents_up_to_root(leaves)
    ways = {}
    for leaf in leaves:
        way = [leaf]
        while (parent := parents[way[-1]]) is not None:
            way.append(parent)
        ways[leaf] = tuple(way)
    return ways
