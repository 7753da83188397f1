"""Find the items nearest to a vector: among all, or among those of some leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from unillmrec.store.item_tree import ItemTree
from unillmrec.store.tree_file import IN_LIST, sql_list
from unillmrec.tree.vectors import StackedVectors, Vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unillmrec.store.columns.eligibility import Eligibility
    from unillmrec.tree.vectors import Floats

# How many vectors are unpacked at once, so that memory does not grow with the catalog.
BLOCK = 20_000
# Some ten megabytes each where vectors are weighted terms. A shop of the usual size fits in, and is
# read once for many people.
CACHED_BLOCKS = 4
# Leaves hold a few dozen items each.
CACHED_LEAVES = 500

NumberedVectors: TypeAlias = "tuple[NDArray[np.int64], StackedVectors]"
"""The numbers of items, and their vectors."""


def nearest_items(
    tree: ItemTree, query: Vector, count: int, eligibility: Eligibility
) -> list[tuple[int, float]]:
    """Return the *count* eligible items nearest to *query* as (number, cosine) pairs.

    Every vector of the tree is read: tens of milliseconds for ten thousand items, one to two
    seconds for a million.
    """
    numbers = np.zeros(0, np.int64)
    similarities = np.zeros(0, np.float32)
    for some, similar in _similarities_by_block(tree, query):
        allowed = _allowed(some, eligibility)
        numbers = np.concatenate([numbers, some[allowed]])
        similarities = np.concatenate([similarities, similar[allowed]])
        if len(similarities) > count:
            best = _order(numbers, similarities, count)
            numbers, similarities = numbers[best], similarities[best]
    return _best(numbers, similarities, count)


def nearest_of_leaves(
    tree: ItemTree, query: Vector, leaves: Sequence[int], count: int, eligibility: Eligibility
) -> list[tuple[int, float]]:
    """Return the *count* eligible items of *leaves* nearest to *query*, as `nearest_items` does."""
    parts = [each for each in _vectors_of_leaves(tree, leaves) if len(each[0])]
    if not parts:
        return []
    numbers = np.concatenate([each for each, _ in parts])
    similarities = StackedVectors.joined([vectors for _, vectors in parts]).similarities(query)
    allowed = _allowed(numbers, eligibility)
    return _best(numbers[allowed], similarities[allowed], count)


def _best(numbers: NDArray[np.int64], similarities: Floats, count: int) -> list[tuple[int, float]]:
    """Return the nearest items as (number, cosine) pairs."""
    best = _order(numbers, similarities, count)
    return list(zip(numbers[best].tolist(), similarities[best].tolist(), strict=True))


def _order(numbers: NDArray[np.int64], similarities: Floats, count: int) -> NDArray[np.int64]:
    """Return the positions of the nearest items, best first, with pseudo-random tie-breaks.

    The same search always finds the same items, and the first items of a catalog have no
    advantage.
    """
    positions = np.arange(len(similarities))
    if len(similarities) > count:
        # All that may be among the nearest, including ties at the end.
        positions = np.flatnonzero(similarities >= np.partition(similarities, -count)[-count])
    order = np.lexsort((_tie_breaks(numbers[positions]), -similarities[positions]))
    return positions[order[:count]]


def _tie_breaks(numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a pseudo-random number for each number, different for different ones.

    The finalizer of SplitMix64 (Steele, Lea and Flood, 2014), which maps numbers one to one.
    """
    mixed = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return result


def _allowed(numbers: NDArray[np.int64], eligibility: Eligibility) -> NDArray[np.bool_]:
    allowed = ~np.isin(numbers, list(eligibility.excluded))
    if eligibility.selection is not None:
        mask = eligibility.selection.mask
        known = numbers < len(mask)
        allowed &= known & mask[np.where(known, numbers, 0)]
    return allowed


def _similarities_by_block(
    tree: ItemTree, query: Vector
) -> Iterator[tuple[NDArray[np.int64], Floats]]:
    """Yield the numbers of items and their cosine with *query*, block by block."""
    last = -1
    while block := _block_after(tree, last):
        numbers, vectors = block
        last = int(numbers[-1])
        yield numbers, vectors.similarities(query)


def _block_after(tree: ItemTree, last: int) -> NumberedVectors | None:
    """Return the next block of items, those after number *last*."""

    def read(_: Sequence[int]) -> dict[int, NumberedVectors | None]:
        statement = "SELECT item, packed FROM item_vector WHERE item > ? ORDER BY item LIMIT ?"
        rows = tree.rows(statement, (last, BLOCK))
        return {last: _unpacked(tree, rows) if rows else None}

    (block,) = tree.cached("block", [last], read, limit=CACHED_BLOCKS)
    return block


def _vectors_of_leaves(tree: ItemTree, leaves: Sequence[int]) -> list[NumberedVectors]:
    """Return the items of each leaf."""

    def read(missing: Sequence[int]) -> dict[int, NumberedVectors]:
        # With ORDER BY, SQLite would scan all items rather than sort those of a few leaves.
        statement = (
            "SELECT leaf, number, packed FROM item JOIN item_vector ON item = number "
            f"WHERE leaf {IN_LIST}"
        )
        items: dict[int, list[tuple[int, bytes]]] = {leaf: [] for leaf in missing}
        for leaf, number, packed in tree.rows(statement, (sql_list(missing),)):
            items[leaf].append((number, packed))
        tree.check_leaves(missing, {leaf for leaf, rows in items.items() if rows})
        return {leaf: _unpacked(tree, sorted(rows)) for leaf, rows in items.items()}

    return tree.cached("leaf vectors", leaves, read, limit=CACHED_LEAVES)


def _unpacked(tree: ItemTree, rows: Sequence[tuple[int, bytes]]) -> NumberedVectors:
    tree.check_vectors("item", dict(rows))
    numbers = np.array([row[0] for row in rows], np.int64)
    return numbers, StackedVectors.of_packed([row[1] for row in rows], sparse=tree.sparse)
