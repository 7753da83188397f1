"""The items nearest to a vector, found by looking at every one of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from unillmrec.tree.vectors import Stacked, Vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unillmrec.store.eligibility import Eligibility
    from unillmrec.store.item_tree import ItemTree
    from unillmrec.tree.vectors import Floats

# So many vectors are unpacked at once: the memory of a search does not grow with the catalog.
BLOCK = 20_000
# Some ten megabytes each where vectors are of words, so that a shop of the usual size is read once
# for many people.
KEPT_BLOCKS = 4


def nearest_items(
    tree: ItemTree, taste: Vector, count: int, eligibility: Eligibility
) -> list[tuple[int, float]]:
    """Return the *count* eligible items nearest to *taste*, by number, each with its cosine.

    Every vector of the tree is read: tens of milliseconds for ten thousand items, one to two
    seconds for a million.
    """
    numbers = np.zeros(0, np.int64)
    near = np.zeros(0, np.float32)
    for some, similar in _similar(tree, taste):
        allowed = _allowed(some, eligibility)
        numbers = np.concatenate([numbers, some[allowed]])
        near = np.concatenate([near, similar[allowed]])
        if len(near) > count:
            # Equals keep their order, so that the same search finds the same items.
            best = np.sort(np.argsort(-near, kind="stable")[:count])
            numbers, near = numbers[best], near[best]
    order = np.argsort(-near, kind="stable")
    return [(int(numbers[place]), float(near[place])) for place in order]


def _allowed(numbers: NDArray[np.int64], eligibility: Eligibility) -> NDArray[np.bool_]:
    allowed = ~np.isin(numbers, list(eligibility.excluded))
    if eligibility.selection is not None:
        mask = eligibility.selection.mask
        known = numbers < len(mask)
        allowed &= known & mask[np.where(known, numbers, 0)]
    return allowed


def _similar(tree: ItemTree, taste: Vector) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Give the numbers of items and their likeness to *taste*, block by block."""
    last = -1
    while block := _block(tree, last):
        numbers, vectors = block
        last = int(numbers[-1])
        yield numbers, vectors.similarities(taste)


def _block(tree: ItemTree, last: int) -> tuple[NDArray[np.int64], Stacked] | None:
    """Return the vectors of the items after the one numbered *last*, and their numbers."""

    def read(_: Sequence[int]) -> dict[int, tuple[NDArray[np.int64], Stacked] | None]:
        query = "SELECT item, packed FROM item_vector WHERE item > ? ORDER BY item LIMIT ?"
        rows = tree.rows(query, (last, BLOCK))
        if not rows:
            return {last: None}
        numbers = np.array([row[0] for row in rows], np.int64)
        return {last: (numbers, Stacked.of_packed([row[1] for row in rows], sparse=tree.sparse))}

    (block,) = tree.kept("block", [last], read, most=KEPT_BLOCKS)
    return block
