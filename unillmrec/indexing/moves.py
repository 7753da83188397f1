"""Items that came to nodes and left them, and what is kept of the nodes brought in step."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from unillmrec.indexing.rows import packed_rows, row_vector
from unillmrec.store import EditableTree, NodeGain
from unillmrec.tree.vectors import NODE_TERMS, Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# What is left of a weight that was added and taken away again: vectors are kept in half precision.
REMAINDER = 5e-4
# When so much of a node came or went, or half as much, it is summed up and told anew. Until then
# items are added to its sum and taken from it, and its few words and titles, which they hardly
# change, stay.
ANEW_AT = 0.1


class Moves:
    """Items that came to leaves or left them, for all nodes above as they were then.

    *elsewhere* are the items that left a leaf or have another title: who showed them must look
    again.
    """

    def __init__(self) -> None:
        self.elsewhere: set[int] = set()
        self.counts: Counter[int] = Counter()
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
                self._priors[node] += sum(own)
        return [ways[leaf] for leaf in leaves]

    def nodes(self) -> set[int]:
        """Return the nodes whose sizes, sums or priors are no longer right."""
        return set(self.counts)

    def bring_in_step(self, tree: EditableTree, nodes: Iterable[int]) -> None:
        """Add to the sums, sizes and priors of *nodes* what came to them and left them."""
        chosen = sorted(nodes)
        states = tree.sizes_and_priors(chosen)
        gains = []
        for node, packed in zip(chosen, self._sums(tree, chosen), strict=True):
            size, prior = states[node]
            grown = size + self.counts[node]
            prior = (prior * size + self._priors[node]) / max(grown, 1)
            gains.append(NodeGain(node, grown, prior, packed))
        tree.add_gains(gains)

    def _sums(self, tree: EditableTree, nodes: Sequence[int]) -> list[bytes]:
        """Return the new sums of *nodes*, packed."""
        if not nodes:
            return []
        gained = self._gained(nodes, int(tree.facts["next_term"]))
        if gained is None:
            return tree.packed_sums(nodes)
        sums = tree.node_rows(nodes)
        if isinstance(gained, np.ndarray):
            return packed_rows(sums + gained, precise=True)
        return _packed(sums + gained)

    def _gained(self, nodes: Sequence[int], width: int) -> csr_matrix | Floats | None:
        """Return for each of *nodes* the vectors that came to it less those that left it."""
        if not self._parts:
            return None
        from scipy.sparse import csr_matrix

        places = {node: place for place, node in enumerate(nodes)}
        held = [
            (places[node], row, sign)
            for row, (sign, above) in enumerate(zip(self._signs, self._nodes, strict=True))
            for node in above
            if node in places
        ]
        at, rows, signs = zip(*held, strict=True) if held else ((), (), ())
        shape = (len(nodes), len(self._signs))
        below = csr_matrix((np.array(signs, np.float32), (at, rows)), shape=shape)
        gained: csr_matrix | Floats = below @ _stacked(self._parts, width)
        return gained


def _stacked(parts: Sequence[csr_matrix | Floats], width: int) -> csr_matrix | Floats:
    dense: list[Floats] = []
    sparse: list[csr_matrix] = []
    for part in parts:
        if isinstance(part, np.ndarray):
            dense.append(part)
        else:
            sparse.append(part)
    if dense:
        return np.concatenate(dense)
    from scipy.sparse import csr_matrix, vstack

    # Terms that came after the first part was made have widened the others.
    for part in sparse:
        part.resize((part.shape[0], width))
    return csr_matrix(vstack(sparse))


def _packed(sums: csr_matrix) -> list[bytes]:
    """Return sums packed for the store, without what is left of weights that are gone."""
    # Below zero is a weight that a sum had lost among its lightest before it was taken away.
    sums.data[sums.data < REMAINDER] = 0
    sums.eliminate_zeros()
    sums.sort_indices()
    packed = packed_rows(sums, precise=True)
    for place in np.flatnonzero(np.diff(sums.indptr) > NODE_TERMS):
        whole = row_vector(sums, int(place))
        packed[place] = whole.strongest(NODE_TERMS).to_bytes(precise=True)
    return packed


def passes_a_step(before: int, now: int, size: int) -> bool:
    """Return whether a node of *size*, of which *before* and *now* items moved, is due."""
    # The multiples of a power of two are among those of all smaller ones: however a node grows
    # or shrinks, it passes none of them twice and skips none.
    step = 1 << (max(1, int(ANEW_AT * size)).bit_length() - 1)
    return now // step > before // step


def ways_up(tree: EditableTree, leaves: set[int]) -> dict[int, tuple[int, ...]]:
    """Return for each leaf the way from it to the root, both included."""
    parents = tree.parents_above(leaves)
    ways = {}
    for leaf in leaves:
        way = [leaf]
        while (parent := parents[way[-1]]) is not None:
            way.append(parent)
        ways[leaf] = tuple(way)
    return ways
