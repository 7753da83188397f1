"""Describe every node without a model: contrastive words, typical titles, value ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.tree.descriptions import LINE_WORDS, Description, Range, beyond_names
from unillmrec.tree.growing import Shape
from unillmrec.tree.query_words import can_be_told
from unillmrec.tree.terms import Vocabulary, term_worth
from unillmrec.tree.vectors import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Spans = Mapping[str, tuple[float, float]]

KEPT_TITLES = 3
SORTED_WHOLE = 600
LEAVES_AT_ONCE = 2_000
TELLING_TERMS = 4
KEPT_WORDS = LINE_WORDS + 3
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


def describe_nodes(
    shape: Shape, sources: Sources, sums: csr_matrix, spans: Sequence[Spans]
) -> list[Description]:
    """Return a description for each node; *sums* are the nodes' sums of `sources.words`."""
    children = shape.children()
    words = _contrastive_words(shape, children, sources.vocabulary, sums)
    typical = _typical_rows(shape, children, sources.words, sums)
    titles = sources.titles(sorted({row for rows in typical for row in rows}))
    ranges = _ranges(shape, spans)
    names = _names_down_to(shape)
    return [
        Description(
            beyond_names(words[n], names[n]),
            tuple(titles[row] for row in typical[n]),
            ranges[n],
            typical=tuple(typical[n]),
            name=shape.labels[n],
        )
        for n in range(len(shape.parents))
    ]


def _names_down_to(shape: Shape) -> list[str]:
    """Return for each node its name and those of all above it."""
    names: list[str] = []
    for parent, label in zip(shape.parents, shape.labels, strict=True):
        names.append(f"{names[parent]} {label}" if parent >= 0 else label)
    return names


def _contrastive_words(
    shape: Shape, children: list[list[int]], vocabulary: Vocabulary, sums: csr_matrix
) -> list[tuple[str, ...]]:
    """Return the words that weigh more in a node than in what surrounds it."""
    terms = vocabulary.terms
    told = telling(terms, term_worth(vocabulary.used_by, len(shape.order)))
    chosen: list[tuple[str, ...]] = [()] * len(shape.parents)
    around = np.zeros(len(terms), np.float32)
    for parent, family in enumerate(children):
        if not family:
            continue
        ids, weights = _row(sums, parent)
        around[ids] = weights / max(shape.ends[parent] - shape.starts[parent], 1)
        for first, last in _runs(family):
            start, end = sums.indptr[first], sums.indptr[last + 1]
            own = sums.indices[start:end]
            sizes = [max(shape.ends[n] - shape.starts[n], 1) for n in range(first, last + 1)]
            shared = np.repeat(np.array(sizes, np.float32), np.diff(sums.indptr[first : last + 2]))
            contrast = contrasts(sums.data[start:end] / shared, around[own], told[own])
            for child in range(first, last + 1):
                part = slice(sums.indptr[child] - start, sums.indptr[child + 1] - start)
                best = _above_zero(contrast[part])
                chosen[child] = tuple(terms[place] for place in own[part][best].tolist())
        around[ids] = 0
    return chosen


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each run of consecutive numbers, which ascend."""
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


def telling(terms: Sequence[str], worth: Floats) -> Floats:
    """Return how much of each term's worth counts in a description.

    A word that everything has is worth one in a vector and nothing in a description.
    """
    tellable = np.array([can_be_told(term) for term in terms], bool)
    return np.where(tellable, (worth - 1) / worth, np.float32(0)).astype(np.float32)


def most_contrastive(mean: Floats, around: Floats, told: Floats) -> list[int]:
    """Return the places of the terms that weigh most in a node against what surrounds it."""
    return _above_zero(contrasts(mean, around, told))


def contrasts(mean: Floats, around: Floats, told: Floats) -> Floats:
    """Return how much more each term weighs in a node than in what surrounds it."""
    contrast: Floats = told * (mean - AROUND * around)
    return contrast


def _above_zero(contrast: Floats) -> list[int]:
    best = largest(contrast, KEPT_WORDS)
    return [place for place in best if contrast[place] > 0]


def _row(matrix: csr_matrix, number: int) -> tuple[NDArray[np.int32], Floats]:
    start, end = matrix.indptr[number], matrix.indptr[number + 1]
    return matrix.indices[start:end], matrix.data[start:end]


def largest(values: NDArray[np.floating], count: int) -> list[int]:
    """Return the places of the largest values, largest first, ties by place."""
    # Sorting a few hundred takes less than the steps that would spare it.
    near = np.arange(len(values))
    if len(values) > SORTED_WHOLE:
        floor = values[np.argpartition(-values, count - 1)[:count]].min()
        near = np.flatnonzero(values >= floor)
    best: list[int] = near[np.argsort(-values[near], kind="stable")][:count].tolist()
    return best


def _typical_rows(
    shape: Shape, children: list[list[int]], words: csr_matrix, sums: csr_matrix
) -> list[list[int]]:
    """Return for each node the rows of its most typical items, from different children."""
    typical = _typical_of_leaves(shape, words, sums)
    centre = np.zeros(words.shape[1], np.float32)
    # Children have larger numbers than their parents, so they are done first.
    for node in reversed(range(len(shape.parents))):
        if not shape.leaves[node]:
            ids, weights = _row(sums, node)
            centre[ids] = weights
            firsts = [typical[child][0] for child in children[node]]
            near = _products(words, np.array(firsts), centre)
            typical[node] = [firsts[place] for place in largest(near, KEPT_TITLES)]
            centre[ids] = 0
    return typical


def _typical_of_leaves(shape: Shape, words: csr_matrix, sums: csr_matrix) -> list[list[int]]:
    """Return for each leaf the rows of its most typical items, and nothing for branches."""
    typical: list[list[int]] = [[] for _ in shape.parents]
    centre = np.zeros(words.shape[1], np.float32)
    leaves = [n for n, is_leaf in enumerate(shape.leaves) if is_leaf]
    for first in range(0, len(leaves), LEAVES_AT_ONCE):
        some = leaves[first : first + LEAVES_AT_ONCE]
        begin = shape.starts[some[0]]
        order = shape.order[begin : shape.ends[some[-1]]]
        rows = words[order]
        weights = np.empty_like(rows.data)
        for leaf in some:
            ids, weight = _row(sums, leaf)
            centre[ids] = weight
            start, end = rows.indptr[[shape.starts[leaf] - begin, shape.ends[leaf] - begin]]
            weights[start:end] = centre[rows.indices[start:end]]
            centre[ids] = 0
        terms = np.diff(rows.indptr)
        owners = np.repeat(np.arange(len(order)), terms)
        products = np.bincount(owners, rows.data * weights, len(order)).astype(np.float64)
        near = typicality(products, terms)
        for leaf in some:
            own = slice(shape.starts[leaf] - begin, shape.ends[leaf] - begin)
            typical[leaf] = order[own][largest(near[own], KEPT_TITLES)].tolist()
    return typical


def typicality(near: NDArray[np.floating], terms: NDArray[np.integer]) -> NDArray[np.floating]:
    """Return how well items stand for a node, given their nearness and how many terms they have.

    An item of which only a category is known is nearest to the middle of it, and tells least.
    """
    return near * (terms / (terms + TELLING_TERMS))


def _products(matrix: csr_matrix, rows: NDArray[np.int64], centre: Floats) -> NDArray[np.floating]:
    """Return the product of each of *rows* with *centre*.

    Making a matrix of a few rows takes scipy several times as long as this.
    """
    lengths = matrix.indptr[rows + 1] - matrix.indptr[rows]
    ends = np.cumsum(lengths)
    owners = np.repeat(np.arange(len(rows)), lengths)
    places = np.arange(len(owners)) + (matrix.indptr[rows] - (ends - lengths))[owners]
    products = matrix.data[places] * centre[matrix.indices[places]]
    return np.bincount(owners, products, len(rows)).astype(np.float64)


def node_spans(shape: Shape, numbers: Mapping[str, NDArray[np.float64]]) -> list[Spans]:
    """Return for each node between what values most of its items lie, by attribute."""
    spans: list[dict[str, tuple[float, float]]] = [{} for _ in shape.parents]
    for attribute, values in numbers.items():
        ordered = values[shape.order]
        for node, (start, end) in enumerate(zip(shape.starts, shape.ends, strict=True)):
            found = span(ordered[start:end])
            if found is not None:
                spans[node][attribute] = found
    return list(spans)


def span(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Return between what values all but the tails lie, or None where most are unknown."""
    known = np.sort(values[~np.isnan(values)])
    if len(known) < max(2, len(values) // 2):
        return None
    tail = int(TAIL * len(known))
    return float(known[tail]), float(known[len(known) - 1 - tail])


def _ranges(shape: Shape, spans: Sequence[Spans]) -> list[tuple[Range, ...]]:
    return [
        told_ranges(spans[node], spans[parent]) if parent >= 0 else ()
        for node, parent in enumerate(shape.parents)
    ]


def told_ranges(own: Spans, outer: Spans) -> tuple[Range, ...]:
    """Return the attributes in which a node is much narrower than its parent."""
    return tuple(
        Range(attribute, low, high)
        for attribute, (low, high) in own.items()
        if attribute in outer and high - low <= NARROW * (outer[attribute][1] - outer[attribute][0])
    )
