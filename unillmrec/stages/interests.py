"""Where each interest of a person stands among the vectors, so that it can walk by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from unillmrec.judge import Interest
from unillmrec.store import ItemTree, PlacedItem
from unillmrec.tree.vectors import Vector, combine, similarities

# One interest is what few items show; of more than two, the weaker ones are mostly noise
# (benchmarks/results/interests.json).
LEAST_ITEMS = 4
MOST_PARTS = 2
ROUNDS = 8
# Two parts that are so much alike are one interest.
ALIKE = 0.6

Words = Callable[[Vector], tuple[str, ...]]


def placed_interests(
    tree: ItemTree, interests: Sequence[Interest], recent: Sequence[PlacedItem], decay: float
) -> tuple[Interest, ...]:
    """Give each interest the place of the recent items that are nearest to its words.

    The newest of *recent* comes last and counts most. Without a word in the catalog, and
    without items, an interest has no place.
    """
    spoken = [tree.vector_of_text(each.text) for each in interests]
    vectors = tree.item_vectors([each.number for each in recent])
    weights = _weights(len(recent), decay)
    parts: list[list[int]] = [[] for _ in interests]
    said = [(place, vector) for place, vector in enumerate(spoken) if vector is not None]
    for number, vector in enumerate(vectors):
        near = similarities(vector, [each for _, each in said])
        if len(near) and near.max() > 0:
            parts[said[int(near.argmax())][0]].append(number)
    return tuple(
        replace(each, vector=_sum(vectors, weights, part) if part else vector)
        for each, part, vector in zip(interests, parts, spoken, strict=True)
    )


def split_history(
    tree: ItemTree, recent: Sequence[PlacedItem], decay: float, words: Words
) -> tuple[Interest, ...]:
    """Part recent items into two interests by their vectors; none if they are of one."""
    if len(recent) < LEAST_ITEMS:
        return ()
    vectors = [each.unit() for each in tree.item_vectors([each.number for each in recent])]
    weights = _weights(len(recent), decay)
    parts = _parted(vectors, weights)
    centres = [_sum(vectors, weights, part) for part in parts]
    if len(parts) < MOST_PARTS or float(similarities(centres[0], centres[1:])[0]) > ALIKE:
        return ()
    total = sum(weights)
    return tuple(
        Interest(", ".join(words(centre)), sum(weights[n] for n in part) / total, centre)
        for centre, part in zip(centres, parts, strict=True)
    )


def _parted(vectors: Sequence[Vector], weights: Sequence[float]) -> list[list[int]]:
    """Return two groups of vectors, by the k-means of a few rounds; one if all are alike."""
    newest = vectors[-1]
    farthest = int(similarities(newest, vectors).argmin())
    centres = [newest, vectors[farthest]]
    parts: list[list[int]] = []
    for _ in range(ROUNDS):
        near = [similarities(centre, vectors) for centre in centres]
        found: list[list[int]] = [[], []]
        for number in range(len(vectors)):
            found[int(near[1][number] > near[0][number])].append(number)
        if not all(found) or found == parts:
            return [part for part in found if part]
        parts = found
        centres = [_sum(vectors, weights, part) for part in parts]
    return parts


def _sum(vectors: Sequence[Vector], weights: Sequence[float], part: Sequence[int]) -> Vector:
    summed = combine([vectors[number] for number in part], [weights[number] for number in part])
    assert summed is not None
    return summed


def _weights(count: int, decay: float) -> list[float]:
    return [decay**age for age in reversed(range(count))]
