"""Describe every node without a model: contrastive words, typical titles, value ranges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.tree.descriptions import LINE_WORDS, Description, Range
from unillmrec.tree.growing import Shape
from unillmrec.tree.terms import PIECE, Vocabulary, term_worth
from unillmrec.tree.vectors import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

KEPT_TITLES = 3
# What a node's words must beat: how usual they are around it.
AROUND = 0.75
# A range is told when it is at most half as wide as the parent's.
NARROW = 0.5
TAIL = 0.05


@dataclass(frozen=True, slots=True)
class Sources:
    """What descriptions are made from: the rows are the catalog's, in its order."""

    vocabulary: Vocabulary
    words: csr_matrix
    titles: Callable[[Sequence[int]], Mapping[int, str]]
    numbers: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


def node_sums(shape: Shape, rows: csr_matrix) -> csr_matrix:
    """Return for each node the sum of its items' rows."""
    from scipy.sparse import csr_matrix

    lengths = [end - start for start, end in zip(shape.starts, shape.ends, strict=True)]
    at = [n for n, leaf in enumerate(shape.leaves) if leaf]
    leaf_ends = np.concatenate([[0], np.cumsum([lengths[n] for n in at])])
    in_leaf = csr_matrix(
        (np.ones(len(shape.order), np.float32), shape.order, leaf_ends),
        shape=(len(at), len(shape.order)),
    )
    # A node covers a run of leaves, for both are numbered depth first.
    first = np.searchsorted(leaf_ends, shape.starts)
    last = np.searchsorted(leaf_ends, shape.ends)
    covers = csr_matrix(
        (
            np.ones(int((last - first).sum()), np.float32),
            np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)]),
            np.concatenate([[0], np.cumsum(last - first)]),
        ),
        shape=(len(shape.parents), len(at)),
    )
    sums = covers @ (in_leaf @ rows)
    return sums if isinstance(sums, np.ndarray) else csr_matrix(sums)


def describe_nodes(shape: Shape, sources: Sources, sums: csr_matrix) -> list[Description]:
    """Return a description for each node; *sums* are the nodes' sums of `sources.words`."""
    children = shape.children()
    words = _contrastive_words(shape, children, sources.vocabulary, sums)
    typical = _typical_rows(shape, children, sources.words, sums)
    titles = sources.titles(sorted({row for rows in typical for row in rows}))
    ranges = _told_ranges(shape, sources.numbers)
    return [
        Description(words[n], tuple(titles[row] for row in typical[n]), ranges[n])
        for n in range(len(shape.parents))
    ]


def _contrastive_words(
    shape: Shape, children: list[list[int]], vocabulary: Vocabulary, sums: csr_matrix
) -> list[tuple[str, ...]]:
    """Return the words that weigh more in a node than in what surrounds it."""
    terms = vocabulary.terms
    worth = term_worth(vocabulary.used_by, len(shape.order))
    # A word that everything has is worth one in a vector and nothing in a description.
    told = np.where([_can_be_told(term) for term in terms], (worth - 1) / worth, 0)
    chosen: list[tuple[str, ...]] = [()] * len(shape.parents)
    around = np.zeros(len(terms), np.float32)
    for parent, family in enumerate(children):
        if not family:
            continue
        ids, weights = _row(sums, parent)
        around[ids] = weights / max(shape.ends[parent] - shape.starts[parent], 1)
        for child in family:
            own, weight = _row(sums, child)
            mean = weight / max(shape.ends[child] - shape.starts[child], 1)
            contrast = told[own] * (mean - AROUND * around[own])
            best = _largest(contrast, LINE_WORDS + 3)
            chosen[child] = tuple(terms[own[place]] for place in best if contrast[place] > 0)
        around[ids] = 0
    return chosen


def _can_be_told(term: str) -> bool:
    # Pieces of words and bare numbers say nothing to a reader.
    return not term.startswith(PIECE) and not term.isdigit() and (len(term) > 1 or term > "~")


def _row(matrix: csr_matrix, number: int) -> tuple[NDArray[np.int32], Floats]:
    start, end = matrix.indptr[number], matrix.indptr[number + 1]
    return matrix.indices[start:end], matrix.data[start:end]


def _largest(values: Floats, count: int) -> list[int]:
    """Return the places of the largest values, largest first, ties by place."""
    if len(values) > count:
        near = np.argpartition(-values, count - 1)[:count]
        floor = values[near].min()
        near = np.flatnonzero(values >= floor)
    else:
        near = np.arange(len(values))
    return [int(place) for place in near[np.argsort(-values[near], kind="stable")][:count]]


def _typical_rows(
    shape: Shape, children: list[list[int]], words: csr_matrix, sums: csr_matrix
) -> list[list[int]]:
    """Return for each node the rows of its most typical items, from different children."""
    typical: list[list[int]] = [[] for _ in shape.parents]
    centre = np.zeros(words.shape[1], np.float32)
    # Children have larger numbers than their parents, so they are done first.
    for node in reversed(range(len(shape.parents))):
        ids, weights = _row(sums, node)
        centre[ids] = weights
        if shape.leaves[node]:
            rows = shape.order[shape.starts[node] : shape.ends[node]]
            near = words[rows] @ centre
            typical[node] = [int(rows[place]) for place in _largest(near, KEPT_TITLES)]
        else:
            firsts = [typical[child][0] for child in children[node]]
            near = words[firsts] @ centre
            typical[node] = [firsts[place] for place in _largest(near, KEPT_TITLES)]
        centre[ids] = 0
    return typical


def _told_ranges(
    shape: Shape, numbers: Mapping[str, NDArray[np.float64]]
) -> list[tuple[Range, ...]]:
    """Return for each node the attributes in which it is much narrower than its parent."""
    told: list[list[Range]] = [[] for _ in shape.parents]
    for attribute, values in numbers.items():
        ordered = values[shape.order]
        spans = [
            _span(ordered[start:end]) for start, end in zip(shape.starts, shape.ends, strict=True)
        ]
        for node, parent in enumerate(shape.parents):
            own, outer = spans[node], spans[parent]
            if parent >= 0 and own and outer and own[1] - own[0] <= NARROW * (outer[1] - outer[0]):
                told[node].append(Range(attribute, *own))
    return [tuple(each) for each in told]


def _span(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return between what values all but the tails lie, or None where most are unknown."""
    known = np.sort(values[~np.isnan(values)])
    if len(known) < max(2, len(values) // 2):
        return None
    tail = int(TAIL * len(known))
    return float(known[tail]), float(known[len(known) - 1 - tail])
