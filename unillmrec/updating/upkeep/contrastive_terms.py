"""The words that set nodes apart from what surrounds them, for many nodes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unillmrec.store import EditableTree
from unillmrec.tree.keyword_descriptions import AROUND, KEPT_WORDS, telling
from unillmrec.tree.terms import term_worth
from unillmrec.tree.vectors import Floats, Ints, Vector, looked_up

# How many of the terms of a node are looked up, which usually tells which of them say most.
LOOKED_AT = 32
MORE = 16


@dataclass(frozen=True, slots=True)
class Mean:
    """The sum of the words of *count* items."""

    total: Vector
    count: int

    @property
    def weights(self) -> Floats:
        """How much each word weighs in one of the items."""
        return self.total.weights / np.float32(max(self.count, 1))


class Contrast:
    """The terms that weigh more in a node than in what surrounds it."""

    def __init__(self, node: int, own: Mean, around: Mean) -> None:
        self.node = node
        assert own.total.ids is not None
        usual = looked_up(around.total, own.total.ids) / np.float32(max(around.count, 1))
        contrast = own.weights - np.float32(AROUND) * usual
        heavier = contrast > 0
        self.ids: Ints = own.total.ids[heavier]
        self.weights: Floats = contrast[heavier]

    def strongest(self, count: int) -> NDArray[np.integer]:
        """Return the places of the *count* heaviest, ascending."""
        if len(self.ids) <= count:
            return np.arange(len(self.ids))
        return np.sort(np.argpartition(-self.weights, count)[:count])


def told_words(tree: EditableTree, contrasts: Sequence[Contrast]) -> dict[int, tuple[str, ...]]:
    """Return the words that say most about each node."""
    told: dict[int, tuple[str, ...]] = {each.node: () for each in contrasts}
    waiting = [each for each in contrasts if len(each.ids)]
    looked_at = LOOKED_AT
    while waiting:
        parts = [each.strongest(looked_at) for each in waiting]
        owners = np.repeat(np.arange(len(parts)), list(map(len, parts)))
        ids = np.concatenate([each.ids[part] for each, part in zip(waiting, parts, strict=True)])
        weights = np.concatenate(
            [each.weights[part] for each, part in zip(waiting, parts, strict=True)]
        )
        used, places = np.unique(ids, return_inverse=True)
        terms, worth = _looked_up(tree, used)
        contrast = worth[places] * weights
        order = np.lexsort((-contrast, owners))
        rank = np.arange(len(order)) - np.searchsorted(owners, owners[order])
        best = order[(rank < KEPT_WORDS) & (contrast[order] > 0)]
        least = np.zeros(len(parts))
        last = order[rank == KEPT_WORDS - 1]
        least[owners[last]] = np.maximum(contrast[last], 0)
        ends = np.searchsorted(owners[best], np.arange(len(parts) + 1))
        unsure = []
        for place, (each, part) in enumerate(zip(waiting, parts, strict=True)):
            chosen = best[ends[place] : ends[place + 1]]
            told[each.node] = tuple(terms[at] for at in places[chosen])
            # A term counts for less than its weight, so that the lighter ones cannot win.
            if len(part) < len(each.ids) and each.weights[part].min() > least[place]:
                unsure.append(each)
        waiting = unsure
        looked_at *= MORE
    return told


def _looked_up(tree: EditableTree, ids: Ints) -> tuple[list[str], Floats]:
    """Return terms, and how much of their worth counts where they are told."""
    known = tree.terms_numbered(ids.tolist())
    terms = [known[number][0] for number in ids.tolist()]
    used = np.array([known[number][1] for number in ids.tolist()], np.int64)
    return terms, telling(terms, term_worth(used, len(tree)))
