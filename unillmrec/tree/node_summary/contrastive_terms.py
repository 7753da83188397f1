"""Choose the terms that set nodes apart from their surroundings, for many nodes at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from unillmrec.tree.descriptions import LINE_WORDS
from unillmrec.tree.sentences.query_words import is_readable
from unillmrec.tree.vectors import Floats, Ints, Vector, looked_up

KEPT_WORDS = LINE_WORDS + 3
# The share of a term's weight around a node that its weight in the node must exceed.
AROUND = 0.75
# How many of a node's terms are looked up first; these nearly always include the best ones.
LOOKED_AT = 32
MORE = 16

LookUpTerms: TypeAlias = Callable[[Ints], tuple[Sequence[str], Floats]]
"""Returns the texts and the `description_weights` of the terms with the given ids."""


def description_weights(terms: Sequence[str], idf: Floats) -> Floats:
    """Return how much each term counts in a description: nothing to all of its weight.

    A term that every item uses has an idf of one in vectors, but sets no node apart. Terms
    that mean nothing to a reader, such as numbers and word pieces, count nothing.
    """
    readable = np.array([is_readable(term) for term in terms], bool)
    return np.where(readable, (idf - 1) / idf, np.float32(0)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class TermSum:
    """The sum of the term weights of *count* items."""

    total: Vector
    count: int


class Contrast:
    """The terms that weigh more in a node than around it, and by how much.

    *mean* and *around* are the weights of the terms *ids* in an average item of the node and
    of its parent.
    """

    __slots__ = ("ids", "weights")

    def __init__(self, ids: Ints, mean: Floats, around: Floats) -> None:
        contrast = mean - np.float32(AROUND) * around
        heavier = contrast > 0
        self.ids: Ints = ids[heavier]
        self.weights: Floats = contrast[heavier]

    @classmethod
    def of_sums(cls, own: TermSum, around: TermSum) -> Contrast:
        """Compare the items of a node with those of its parent."""
        assert own.total.ids is not None
        mean = own.total.weights / np.float32(max(own.count, 1))
        usual = looked_up(around.total, own.total.ids) / np.float32(max(around.count, 1))
        return cls(own.total.ids, mean, usual)

    def strongest(self, count: int) -> NDArray[np.integer]:
        """Return the positions of the *count* heaviest terms, in ascending order."""
        if len(self.ids) <= count:
            return np.arange(len(self.ids))
        return np.sort(np.argpartition(-self.weights, count)[:count])


def contrastive_terms(contrasts: Sequence[Contrast], look_up: LookUpTerms) -> list[tuple[str, ...]]:
    """Return for each contrast the terms that describe its node best, best first."""
    best_terms: list[tuple[str, ...]] = [()] * len(contrasts)
    unsure = [place for place, each in enumerate(contrasts) if len(each.ids)]
    looked_at = LOOKED_AT
    while unsure:
        waiting = [contrasts[place] for place in unsure]
        parts = [each.strongest(looked_at) for each in waiting]
        words, bounds = _best_terms(waiting, parts, look_up)
        for place, terms in zip(unsure, words, strict=True):
            best_terms[place] = terms
        # A term counts at most its weight, so a term lighter than the worst chosen cannot win.
        unsure = [
            place
            for place, each, part, bound in zip(unsure, waiting, parts, bounds, strict=True)
            if len(part) < len(each.ids) and each.weights[part].min() > bound
        ]
        looked_at *= MORE
    return best_terms


def _best_terms(
    contrasts: Sequence[Contrast], parts: Sequence[NDArray[np.integer]], look_up: LookUpTerms
) -> tuple[list[tuple[str, ...]], NDArray[np.float64]]:
    """Return the best terms among *parts* of the contrasts, and what others would have to beat."""
    pairs = list(zip(contrasts, parts, strict=True))
    owners = np.repeat(np.arange(len(parts)), list(map(len, parts)))
    ids = np.concatenate([each.ids[part] for each, part in pairs])
    used, places = np.unique(ids, return_inverse=True)
    terms, shares = look_up(used)
    contrast = shares[places] * np.concatenate([each.weights[part] for each, part in pairs])
    order = np.lexsort((-contrast, owners))
    rank = np.arange(len(order)) - np.searchsorted(owners, owners[order])
    best = order[(rank < KEPT_WORDS) & (contrast[order] > 0)]
    bounds = np.zeros(len(parts))
    last = order[rank == KEPT_WORDS - 1]
    bounds[owners[last]] = np.maximum(contrast[last], 0)
    ends = np.searchsorted(owners[best], np.arange(len(parts) + 1)).tolist()
    best_terms = [terms[place] for place in places[best].tolist()]
    return [tuple(best_terms[a:b]) for a, b in pairwise(ends)], bounds
