"""Choose the items that stand for a node: those nearest to the sum of its items."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.tree.vectors import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

KEPT_TITLES = 3
SORTED_WHOLE = 600
# An item with so few terms counts half: it says little, however near it is.
TELLING_TERMS = 4


def typicality(near: NDArray[np.floating], terms: NDArray[np.integer]) -> NDArray[np.floating]:
    """Return how well items represent a node, given their nearness and their numbers of terms.

    An item of which only the category is known is nearest to the centre of its category, but
    tells a reader least about it.
    """
    return near * (terms / (terms + TELLING_TERMS))


def leaf_typicality(
    rows: csr_matrix, ends: NDArray[np.integer], sums: csr_matrix, leaves: Sequence[int]
) -> NDArray[np.floating]:
    """Return how well each of *rows* represents its leaf.

    The rows of leaf n are those from `ends[n]` to `ends[n + 1]`, and `leaves[n]` is the row of
    their sum in *sums*.
    """
    centre = np.zeros(rows.shape[1], np.float32)
    weights = np.empty_like(rows.data)
    for leaf, (start, end) in zip(leaves, pairwise(rows.indptr[ends].tolist()), strict=True):
        ids, totals = ids_and_weights(sums, leaf)
        centre[ids] = totals
        weights[start:end] = centre[rows.indices[start:end]]
        centre[ids] = 0
    terms = np.diff(rows.indptr)
    owners = np.repeat(np.arange(len(terms)), terms)
    products = np.bincount(owners, rows.data * weights, len(terms)).astype(np.float64)
    return typicality(products, terms)


def most_typical(values: NDArray[np.floating], ends: NDArray[np.integer]) -> list[list[int]]:
    """Return for each leaf the positions of its most typical rows, best first, ties by position."""
    owners = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    order = np.lexsort((-values, owners)).tolist()
    return [order[a : min(b, a + KEPT_TITLES)] for a, b in pairwise(ends.tolist())]


def ids_and_weights(matrix: csr_matrix, number: int) -> tuple[NDArray[np.int32], Floats]:
    """Return the ids and the weights of a row in the order of the matrix."""
    start, end = matrix.indptr[number], matrix.indptr[number + 1]
    return matrix.indices[start:end], matrix.data[start:end]


def largest(values: NDArray[np.floating], count: int) -> list[int]:
    """Return the positions of the largest values, largest first, ties by position."""
    # Sorting a few hundred is faster than the steps that would avoid it.
    near = np.arange(len(values))
    if len(values) > SORTED_WHOLE:
        floor = values[np.argpartition(-values, count - 1)[:count]].min()
        near = np.flatnonzero(values >= floor)
    best: list[int] = near[np.argsort(-values[near], kind="stable")][:count].tolist()
    return best
