"""The items nearest to a vector, found by looking at every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from unillmrec.tree.vectors import Vector, packing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unillmrec.store.eligibility import Eligibility
    from unillmrec.store.item_tree import ItemTree
    from unillmrec.tree.vectors import Floats

# So many vectors are unpacked at once: the memory of a search does not grow with the catalog.
BLOCK = 20_000


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
    length = float(np.linalg.norm(taste.weights)) or 1.0
    query = _looked_up(taste) / np.float32(length)
    last = -1
    while rows := tree.rows(
        "SELECT item, packed FROM item_vector WHERE item > ? ORDER BY item LIMIT ?", (last, BLOCK)
    ):
        last = rows[-1][0]
        yield np.array([row[0] for row in rows], np.int64), _products(rows, query, tree.sparse)


def _looked_up(taste: Vector) -> Floats:
    """Return *taste* as one number for each place of a vector; of sparse ones, up to its last."""
    if taste.ids is None:
        return taste.weights
    # The last place is for all terms beyond the taste's, among them those that another process
    # has added since the tree was opened.
    query = np.zeros(int(taste.ids.max(initial=-1)) + 2, np.float32)
    query[taste.ids] = taste.weights
    return query


def _products(rows: list[tuple[int, bytes]], query: Floats, sparse: bool) -> Floats:
    """Return the products of packed vectors, which are of length one, with *query*."""
    kind = packing(sparse=sparse)
    read = np.frombuffer(b"".join(row[1] for row in rows), kind)
    if not sparse:
        products: Floats = read.reshape(len(rows), -1).astype(np.float32) @ query
        return products
    lengths = np.array([len(row[1]) for row in rows]) // kind.itemsize
    owner = np.repeat(np.arange(len(rows)), lengths)
    places = np.minimum(read["id"], len(query) - 1)
    weighed = read["weight"].astype(np.float32) * query[places]
    summed: Floats = np.bincount(owner, weighed, len(rows)).astype(np.float32)
    return summed
