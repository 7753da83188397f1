"""Check the content of a tree: items, descriptions, vectors, vector sums and attribute columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from unillmrec.errors import StoreError
from unillmrec.store.decoding import (
    DECODE_ERRORS,
    SELECT_ITEMS,
    SELECT_NODES,
    damaged,
    is_intact,
    nodes_of,
)
from unillmrec.store.item_tree import ItemTree
from unillmrec.store.nodes import ROOT

# How many rows are in memory at once, and how many numbers a sentence lists.
BLOCK = 10_000
LISTED = 5
# Vectors of items have length one, in half precision; a vector without any word has length zero.
LENGTH_TOLERANCE = 0.01
# Sums keep the heaviest terms only, and every change adds a rounding error: this much of the length
# of a sum, and of the square root of the number of its items.
SUM_TOLERANCE = 0.1


def find_content_damage(tree: ItemTree) -> Iterator[str]:
    """Yield a sentence for each kind of content of *tree* that is damaged.

    Everything is read: a few seconds for a hundred thousand items.
    """
    for check in (_items, _descriptions, _terms, _item_vectors, _sums, _columns):
        try:
            yield from check(tree)
        except StoreError as error:
            yield error.problem.removeprefix(f"{tree.path} is damaged: ").rstrip(".")
        except DECODE_ERRORS as error:
            yield f"{check.__name__.strip('_').replace('_', ' ')} cannot be read ({error!r})"


def _items(tree: ItemTree) -> Iterator[str]:
    """Compare each item with its content hash."""
    numbers = (
        row[0]
        for rows in _blocks(tree, SELECT_ITEMS, "number")
        for row in rows
        if not is_intact(row)
    )
    yield from _listed(numbers, "item", "does not match its content hash", "`unillmrec sync`")


def _descriptions(tree: ItemTree) -> Iterator[str]:
    """Decode each node, its description and the ranges of its values."""
    for rows in _blocks(tree, SELECT_NODES, "id"):
        for row in rows:
            try:
                nodes_of(tree.path, [row])
            except StoreError as error:
                yield error.problem.removeprefix(f"{tree.path} is damaged: ").rstrip(".")
            except DECODE_ERRORS:
                yield f"node {row[0]} cannot be read"
    wrong = (
        row[0]
        for rows in _blocks(tree, "SELECT id, spans FROM node", "id")
        for row in rows
        if not _is_spans(row[1])
    )
    yield from _listed(wrong, "node", "has value ranges that cannot be read")


def _is_spans(text: Any) -> bool:
    try:
        pairs = json.loads(text).values()
        return all(float(low) <= float(high) for low, high in pairs)
    except DECODE_ERRORS:
        return False


def _terms(tree: ItemTree) -> Iterator[str]:
    rows = tree.unchecked_rows(
        "SELECT id FROM term WHERE typeof(term) != 'text' OR typeof(used_by) != 'integer'"
        " OR id < 0 OR id >= ?",
        (tree.fact_now("next_term"),),
    )
    yield from _listed((row[0] for row in rows), "term", "cannot be read")


def _item_vectors(tree: ItemTree) -> Iterator[str]:
    """Unpack each vector of an item, and check that it has the length one or zero."""
    import numpy as np

    from unillmrec.tree.vectors import StackedVectors

    wrong: list[int] = []
    width = _width(tree)
    for rows in _blocks(tree, "SELECT item, packed FROM item_vector", "item"):
        sound = []
        for number, packed in rows:
            try:
                tree.check_vectors("item", {number: packed})
                if width not in (None, len(packed)):
                    raise damaged(tree.path, "the vector has another length than the root's")
            except (StoreError, *DECODE_ERRORS):
                wrong.append(number)
            else:
                sound.append((number, packed))
        if sound:
            norms = StackedVectors.of_packed([row[1] for row in sound], sparse=tree.sparse).norms
            is_off = (np.abs(norms - 1) > LENGTH_TOLERANCE) & (norms > 0)
            wrong += [sound[place][0] for place in np.flatnonzero(is_off)]
    yield from _listed(sorted(wrong), "item", "has a damaged vector")


def _width(tree: ItemTree) -> int | None:
    """Return how many bytes the vector of an item has, if all have equally many."""
    if tree.sparse:
        return None
    ((packed,),) = tree.rows("SELECT packed FROM node_sum WHERE node = ?", (ROOT,))
    return len(packed) // 2


def _sums(tree: ItemTree) -> Iterator[str]:
    """Compare the vector sum of each leaf with its items, and of each branch with its children."""
    wrong: list[int] = []
    nodes = tree.rows("SELECT id, leaf, size FROM node ORDER BY id")
    for node, leaf, size in nodes:
        try:
            if size and not _is_sum(tree, node, size, bool(leaf)):
                wrong.append(node)
        except (StoreError, *DECODE_ERRORS):
            wrong.append(node)
    yield from _listed(wrong, "node", "has a vector sum other than that of its items")


def _is_sum(tree: ItemTree, node: int, size: int, is_leaf: bool) -> bool:
    import numpy as np

    from unillmrec.tree.vectors import NODE_TERMS, combine, sum_vectors

    (stored,) = tree.node_vectors([node])
    if is_leaf:
        parts = tree.item_vectors(tree.item_numbers_in([node]))
    else:
        children = tree.rows("SELECT id FROM node WHERE parent = ? ORDER BY place", (node,))
        parts = tree.node_vectors([child for (child,) in children])
    expected = sum_vectors(parts).strongest(NODE_TERMS)
    if not parts:
        return False
    difference = combine([stored, expected], [1, -1])
    assert difference is not None
    error = float(np.linalg.norm(difference.weights))
    length = float(np.linalg.norm(expected.weights))
    return bool(error <= SUM_TOLERANCE * (length + size**0.5))


def _columns(tree: ItemTree) -> Iterator[str]:
    from unillmrec.store.columns.column_check import find_column_damage

    yield from find_column_damage(tree)


def _blocks(tree: ItemTree, select: str, key: str) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows of a table in parts, ordered by *key*."""
    last = -(1 << 63)
    condition = ">="
    while rows := tree.unchecked_rows(
        f"{select} WHERE {key} {condition} ? ORDER BY {key} LIMIT ?", (last, BLOCK)
    ):
        yield rows
        if not isinstance(rows[-1][0], int):
            return
        last, condition = rows[-1][0], ">"


def _listed(numbers: Iterable[int], noun: str, problem: str, remedy: str = "") -> Iterator[str]:
    """Yield one sentence about all *numbers*, if there are any."""
    found: Sequence[int] = list(numbers)
    if not found:
        return
    some = ", ".join(map(str, found[:LISTED])) + (", …" if len(found) > LISTED else "")
    if len(found) > 1:
        noun, some = f"each of {len(found):,} {noun}s", f"({some})"
    yield f"{noun} {some} {problem}" + (f"; {remedy} writes it again" if remedy else "")
