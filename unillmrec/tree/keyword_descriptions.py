"""Describe all nodes of a tree in memory without a model: words, typical titles, ranges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import Shape
from unillmrec.tree.node_summary.contrastive_terms import (
    Contrast,
    contrastive_terms,
    description_weights,
)
from unillmrec.tree.node_summary.summary import describe_node
from unillmrec.tree.node_summary.typical_items import (
    KEPT_TITLES,
    ids_and_weights,
    largest,
    leaf_typicality,
    most_typical,
)
from unillmrec.tree.node_summary.value_spans import Spans, span
from unillmrec.tree.terms import TermVocabulary, term_idf
from unillmrec.tree.vector_rows import row_entries
from unillmrec.tree.vectors import Floats, Ints

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LEAVES_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Sources:
    """What descriptions are made from.

    *words* has a row of term weights for each item, *titles* returns titles by item number.
    """

    vocabulary: TermVocabulary
    words: csr_matrix
    titles: Callable[[Sequence[int]], Mapping[int, str]]


def node_sums(shape: Shape, rows: csr_matrix) -> csr_matrix:
    """Return for each node the sum of the rows of its items."""
    from scipy.sparse import csr_matrix

    lengths = [end - start for start, end in zip(shape.starts, shape.ends, strict=True)]
    at = [n for n, leaf in enumerate(shape.leaves) if leaf]
    leaf_ends = np.concatenate([[0], np.cumsum([lengths[n] for n in at])])
    in_leaf = csr_matrix(
        (np.ones(len(shape.order), np.float32), shape.order, leaf_ends),
        shape=(len(at), len(shape.order)),
    )
    # A node covers consecutive leaves, because both are numbered depth first.
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
    """Return a description for each node, given its sum of `sources.words` and its value spans."""
    children = shape.children()
    words = _contrastive_words(shape, children, sources.vocabulary, sums)
    typical = _typical_rows(shape, children, sources.words, sums)
    titles = sources.titles(sorted({row for rows in typical for row in rows}))
    names = _names_with_ancestors(shape)
    return [
        describe_node(
            Description(name=shape.labels[n]),
            words[n],
            names[n],
            typical[n],
            titles,
            (spans[n], spans[parent] if parent >= 0 else None),
        )
        for n, parent in enumerate(shape.parents)
    ]


def _names_with_ancestors(shape: Shape) -> list[str]:
    """Return for each node its name after the names of all nodes above it."""
    names: list[str] = []
    for parent, label in zip(shape.parents, shape.labels, strict=True):
        names.append(f"{names[parent]} {label}" if parent >= 0 else label)
    return names


def _contrastive_words(
    shape: Shape, children: list[list[int]], vocabulary: TermVocabulary, sums: csr_matrix
) -> list[tuple[str, ...]]:
    """Return for each node the words that weigh more in it than in its parent."""
    terms = vocabulary.terms
    weights_of_terms = description_weights(terms, term_idf(vocabulary.used_by, len(shape.order)))

    def look_up(ids: Ints) -> tuple[list[str], Floats]:
        return [terms[number] for number in ids.tolist()], weights_of_terms[ids]

    words_of_nodes: list[tuple[str, ...]] = [()] * len(shape.parents)
    around = np.zeros(len(terms), np.float32)
    for parent, family in enumerate(children):
        if not family:
            continue
        ids, weights = ids_and_weights(sums, parent)
        around[ids] = weights / _size(shape, parent)
        contrasts = []
        for child in family:
            own, total = ids_and_weights(sums, child)
            contrasts.append(Contrast(own, total / _size(shape, child), around[own]))
        around[ids] = 0
        for child, words in zip(family, contrastive_terms(contrasts, look_up), strict=True):
            words_of_nodes[child] = words
    return words_of_nodes


def _size(shape: Shape, node: int) -> np.float32:
    return np.float32(max(shape.ends[node] - shape.starts[node], 1))


def _typical_rows(
    shape: Shape, children: list[list[int]], words: csr_matrix, sums: csr_matrix
) -> list[list[int]]:
    """Return for each node the rows of its most typical items, from different children."""
    typical = _typical_of_leaves(shape, words, sums)
    centre = np.zeros(words.shape[1], np.float32)
    # Children have larger numbers than their parents, so reversed order visits them first.
    for node in reversed(range(len(shape.parents))):
        if not shape.leaves[node]:
            ids, weights = ids_and_weights(sums, node)
            centre[ids] = weights
            firsts = [typical[child][0] for child in children[node]]
            entries = row_entries(words, np.array(firsts))
            products = entries.weights * centre[entries.ids]
            near = np.bincount(entries.owners, products, len(firsts)).astype(np.float64)
            typical[node] = [firsts[place] for place in largest(near, KEPT_TITLES)]
            centre[ids] = 0
    return typical


def _typical_of_leaves(shape: Shape, words: csr_matrix, sums: csr_matrix) -> list[list[int]]:
    """Return for each leaf the rows of its most typical items, and an empty list for branches."""
    typical: list[list[int]] = [[] for _ in shape.parents]
    leaves = [n for n, is_leaf in enumerate(shape.leaves) if is_leaf]
    for first in range(0, len(leaves), LEAVES_AT_ONCE):
        batch = leaves[first : first + LEAVES_AT_ONCE]
        begin = shape.starts[batch[0]]
        order = shape.order[begin : shape.ends[batch[-1]]]
        ends = np.array([begin, *(shape.ends[leaf] for leaf in batch)]) - begin
        values = leaf_typicality(words[order], ends, sums, batch)
        for leaf, places in zip(batch, most_typical(values, ends), strict=True):
            typical[leaf] = order[places].tolist()
    return typical


def node_spans(shape: Shape, numbers: Mapping[str, NDArray[np.float64]]) -> list[Spans]:
    """Return for each node the value spans of its items, by attribute."""
    spans: list[dict[str, tuple[float, float]]] = [{} for _ in shape.parents]
    for attribute, values in numbers.items():
        ordered = values[shape.order]
        for node, (start, end) in enumerate(zip(shape.starts, shape.ends, strict=True)):
            node_span = span(ordered[start:end])
            if node_span is not None:
                spans[node][attribute] = node_span
    return list(spans)
