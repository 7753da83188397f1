"""The items nearest to a vector, found by looking at every one there is, or at those of leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from unillmrec.store.item_tree import IN_LIST, ItemTree, sql_list
from unillmrec.tree.vectors import Stacked, Vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unillmrec.store.columns.eligibility import Eligibility
    from unillmrec.tree.vectors import Floats

# So many vectors are unpacked at once: the memory of a search does not grow with the catalog.
BLOCK = 20_000
# Some ten megabytes each where vectors are of words, so that a shop of the usual size is read once
# for many people.
KEPT_BLOCKS = 4
# And as many leaves, which hold a few dozen each.
KEPT_LEAVES = 500

Numbered: TypeAlias = "tuple[NDArray[np.int64], Stacked]"


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
            best = _first(numbers, near, count)
            numbers, near = numbers[best], near[best]
    return _best(numbers, near, count)


def nearest_of_leaves(
    tree: ItemTree, taste: Vector, leaves: Sequence[int], count: int, eligibility: Eligibility
) -> list[tuple[int, float]]:
    """Return the *count* eligible items of *leaves* nearest to *taste*, each with its cosine."""
    held = [each for each in _leaves(tree, leaves) if len(each[0])]
    if not held:
        return []
    numbers = np.concatenate([each for each, _ in held])
    near = Stacked.joined([vectors for _, vectors in held]).similarities(taste)
    allowed = _allowed(numbers, eligibility)
    return _best(numbers[allowed], near[allowed], count)


def _best(numbers: NDArray[np.int64], near: Floats, count: int) -> list[tuple[int, float]]:
    """Return the nearest by number, each with its cosine."""
    best = _first(numbers, near, count)
    return list(zip(numbers[best].tolist(), near[best].tolist(), strict=True))


def _first(numbers: NDArray[np.int64], near: Floats, count: int) -> NDArray[np.int64]:
    """Return the places of the nearest, best first; equals in an order drawn by lot.

    The same search finds the same items, and what stands first in a catalog is not preferred.
    """
    some = np.arange(len(near))
    if len(near) > count:
        # All that may be among the nearest, ties at the end included.
        some = np.flatnonzero(near >= np.partition(near, -count)[-count])
    order = np.lexsort((_lots(numbers[some]), -near[some]))
    return some[order[:count]]


def _lots(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the lot of each number, which differs for every number and says nothing of it.

    The finalizer of SplitMix64 (Steele, Lea and Flood, 2014), which maps numbers one to one.
    """
    mixed = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    lots: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return lots


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


def _block(tree: ItemTree, last: int) -> Numbered | None:
    """Return the vectors of the items after the one numbered *last*, and their numbers."""

    def read(_: Sequence[int]) -> dict[int, Numbered | None]:
        query = "SELECT item, packed FROM item_vector WHERE item > ? ORDER BY item LIMIT ?"
        rows = tree.rows(query, (last, BLOCK))
        if not rows:
            return {last: None}
        return {last: _numbered(tree, rows)}

    (block,) = tree.kept("block", [last], read, most=KEPT_BLOCKS)
    return block


def _leaves(tree: ItemTree, leaves: Sequence[int]) -> list[Numbered]:
    """Return the vectors of the items of each leaf, and their numbers."""

    def read(missing: Sequence[int]) -> dict[int, Numbered]:
        # Told to order them, SQLite would rather read all items than sort those of some leaves.
        query = (
            "SELECT leaf, number, packed FROM item JOIN item_vector ON item = number "
            f"WHERE leaf {IN_LIST}"
        )
        held: dict[int, list[tuple[int, bytes]]] = {leaf: [] for leaf in missing}
        for leaf, number, packed in tree.rows(query, (sql_list(missing),)):
            held[leaf].append((number, packed))
        return {leaf: _numbered(tree, sorted(rows)) for leaf, rows in held.items()}

    return tree.kept("leaf vectors", leaves, read, most=KEPT_LEAVES)


def _numbered(tree: ItemTree, rows: Sequence[tuple[int, bytes]]) -> Numbered:
    numbers = np.array([row[0] for row in rows], np.int64)
    return numbers, Stacked.of_packed([row[1] for row in rows], sparse=tree.sparse)
