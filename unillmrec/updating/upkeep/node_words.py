"""Choose the words of changed nodes, with the terms that the tree file counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from unillmrec.store import EditableTree
from unillmrec.tree.node_summary.contrastive_terms import (
    Contrast,
    LookUpTerms,
    TermSum,
    contrastive_terms,
    description_weights,
)
from unillmrec.tree.terms import count_terms, term_idf, term_vector, weighted_words
from unillmrec.tree.vectors import Floats, Ints, sum_vectors


def choose_words(
    tree: EditableTree, sums: Mapping[int, tuple[TermSum, TermSum]]
) -> dict[int, tuple[str, ...]]:
    """Return the words of each node, given the term sums of the node and of its parent."""
    contrasts = [Contrast.of_sums(own, around) for own, around in sums.values()]
    return dict(zip(sums, contrastive_terms(contrasts, term_look_up(tree)), strict=True))


def term_look_up(tree: EditableTree) -> LookUpTerms:
    """Return a function that finds terms by their ids, with what they count in a description."""

    def look_up(ids: Ints) -> tuple[list[str], Floats]:
        known = tree.terms_by_id(ids.tolist())
        found = [known[number] for number in ids.tolist()]
        terms = [term for term, _ in found]
        used = np.array([count for _, count in found], np.int64)
        return terms, description_weights(terms, term_idf(used, len(tree)))

    return look_up


def sum_words(
    tree: EditableTree, leaves: Sequence[int], shown: Mapping[int, Sequence[int]]
) -> dict[int, TermSum]:
    """Sum the words of nodes in a tree of given vectors, which hold no words.

    For *leaves* these are the words of all their items; for the other nodes those of the items
    *shown* by their children.
    """
    held = tree.items_in(sorted(leaves))
    items = {node: list(numbers) for node, numbers in shown.items()} | {n: [] for n in leaves}
    for each in held:
        items[each.leaf].append(each.number)
    others = {number for numbers in shown.values() for number in numbers}
    placed = tree.items_by_number(sorted(others - {each.number for each in held}))
    placed |= {each.number: each for each in held}
    used = {
        number: count_terms(weighted_words(each.item), with_ngrams=False)
        for number, each in placed.items()
    }
    known = tree.known_terms({term for each in used.values() for term in each})
    vectors = {number: term_vector(each, known) for number, each in used.items()}
    return {
        node: TermSum(sum_vectors([vectors[number] for number in numbers]), len(numbers))
        for node, numbers in items.items()
    }
