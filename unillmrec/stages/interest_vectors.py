"""Give each interest of a person a vector, so that each can have a walk of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from unillmrec.judge import Interest
from unillmrec.tree.vectors import Vector, combine, similarities

if TYPE_CHECKING:
    from unillmrec.store import ItemTree, PlacedItem

# Few items show only one interest; of more than two, the weaker ones are mostly noise
# (benchmarks/results/interests.json).
LEAST_ITEMS = 4
MOST_PARTS = 2
ROUNDS = 8
# Two parts with a cosine above this are one interest.
ALIKE = 0.6

NameVector = Callable[[Vector], tuple[str, ...]]
"""Returns words that describe a vector."""


def recency_weights(count: int, decay: float) -> list[float]:
    """Return weights for *count* items, oldest first; each step back multiplies by *decay*."""
    return [decay**age for age in reversed(range(count))]


def locate_interests(
    tree: ItemTree, interests: Sequence[Interest], recent: Sequence[PlacedItem], decay: float
) -> tuple[Interest, ...]:
    """Return *interests* with vectors: the sum of the recent items nearest to their words.

    The newest of *recent* comes last and counts most. An interest without items gets the vector
    of its words, and none at all if the catalog has none of the words.
    """
    text_vectors = [tree.vector_of_text(each.text) for each in interests]
    vectors = tree.item_vectors([each.number for each in recent])
    weights = recency_weights(len(recent), decay)
    parts: list[list[int]] = [[] for _ in interests]
    known = [(place, vector) for place, vector in enumerate(text_vectors) if vector is not None]
    for number, vector in enumerate(vectors):
        near = similarities(vector, [each for _, each in known])
        if len(near) and near.max() > 0:
            parts[known[int(near.argmax())][0]].append(number)
    return tuple(
        replace(each, vector=_weighted_sum(vectors, weights, part) if part else vector)
        for each, part, vector in zip(interests, parts, text_vectors, strict=True)
    )


def split_history(
    tree: ItemTree, recent: Sequence[PlacedItem], decay: float, name_vector: NameVector
) -> tuple[Interest, ...]:
    """Split recent items into two interests by their vectors; empty if they are alike."""
    if len(recent) < LEAST_ITEMS:
        return ()
    vectors = [each.unit() for each in tree.item_vectors([each.number for each in recent])]
    weights = recency_weights(len(recent), decay)
    parts = _two_means(vectors, weights)
    centres = [_weighted_sum(vectors, weights, part) for part in parts]
    if len(parts) < MOST_PARTS or float(similarities(centres[0], centres[1:])[0]) > ALIKE:
        return ()
    total = sum(weights)
    return tuple(
        Interest(", ".join(name_vector(centre)), sum(weights[n] for n in part) / total, centre)
        for centre, part in zip(centres, parts, strict=True)
    )


def _two_means(vectors: Sequence[Vector], weights: Sequence[float]) -> list[list[int]]:
    """Return two clusters of vectors after a few rounds of k-means; one if all are alike."""
    newest = vectors[-1]
    farthest = int(similarities(newest, vectors).argmin())
    centres = [newest, vectors[farthest]]
    parts: list[list[int]] = []
    for _ in range(ROUNDS):
        near = [similarities(centre, vectors) for centre in centres]
        assigned: list[list[int]] = [[], []]
        for number in range(len(vectors)):
            assigned[int(near[1][number] > near[0][number])].append(number)
        if not all(assigned) or assigned == parts:
            return [part for part in assigned if part]
        parts = assigned
        centres = [_weighted_sum(vectors, weights, part) for part in parts]
    return parts


def _weighted_sum(
    vectors: Sequence[Vector], weights: Sequence[float], part: Sequence[int]
) -> Vector:
    total = combine([vectors[number] for number in part], [weights[number] for number in part])
    assert total is not None
    return total
