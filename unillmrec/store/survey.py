"""Queries over a whole tree: its size, its nodes, its summaries, and a search for items."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import NamedTuple

from unillmrec.store.decoding import damaged
from unillmrec.store.item_tree import ItemTree
from unillmrec.store.nodes import ROOT, STALE_SHARE, PlacedItem


@dataclass(frozen=True, slots=True)
class TreeShape:
    """How many items and nodes a tree has, and how they are distributed."""

    items: int
    leaves: int
    branches: int
    depth: int
    smallest_leaf: int
    largest_leaf: int
    most_children: int


def measure_shape(tree: ItemTree) -> TreeShape:
    """Count the items and the nodes of *tree*."""
    ((leaves, branches, depth, smallest, largest, children),) = tree.rows(
        """SELECT sum(leaf), sum(NOT leaf), max(depth),
            min(CASE WHEN leaf THEN size END), max(CASE WHEN leaf THEN size END),
            (SELECT coalesce(max(count), 0)
                FROM (SELECT count(parent) AS count FROM node GROUP BY parent))
        FROM node"""
    )
    if leaves is None or smallest is None:
        raise damaged(tree.path, "there are no leaves")
    return TreeShape(len(tree), leaves, branches, depth, smallest, largest, children)


def find_items(tree: ItemTree, text: str, limit: int) -> tuple[list[PlacedItem], int]:
    """Return the first *limit* items whose id or title contains *text*, and how many there are.

    Case is ignored.
    """
    patterns = sorted({_pattern(form) for form in (text, text.lower(), text.upper(), text.title())})
    # SQLite ignores the case of ASCII letters only; for others the usual spellings are tried.
    clauses = " OR ".join(["id LIKE ? ESCAPE '\\' OR title LIKE ? ESCAPE '\\'"] * len(patterns))
    values = [pattern for each in patterns for pattern in (each, each)]
    rows = tree.rows(f"SELECT number FROM item WHERE {clauses} LIMIT ?", [*values, limit + 1])
    count = len(rows)
    if count > limit:
        ((count,),) = tree.rows(f"SELECT count(*) FROM item WHERE {clauses}", values)
    items = tree.items_by_number([number for (number,) in rows[:limit]])
    return [items[number] for (number,) in rows[:limit]], count


def _pattern(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def item_numbers(tree: ItemTree) -> list[int]:
    """Return the numbers of all items, ascending."""
    return [number for (number,) in tree.rows("SELECT number FROM item ORDER BY number")]


def count_nodes(tree: ItemTree) -> int:
    """Return the number of nodes, leaves included."""
    ((count,),) = tree.rows("SELECT count(*) FROM node")
    return int(count)


def leaf_ids(tree: ItemTree, min_size: int = 0) -> list[int]:
    """Return the ids of the leaves that hold at least *min_size* items, ascending."""
    rows = tree.rows("SELECT id FROM node WHERE leaf AND size >= ? ORDER BY id", (min_size,))
    return [node for (node,) in rows]


def branch_ids(tree: ItemTree, depth: int | None = None) -> list[int]:
    """Return the ids of the nodes with children, top down.

    *depth* is the deepest level of children that counts.
    """
    rows = tree.rows(
        "SELECT parent FROM node WHERE parent IS NOT NULL AND depth <= coalesce(?, depth)"
        " GROUP BY depth, parent ORDER BY depth, parent",
        (depth,),
    )
    return [parent for (parent,) in rows]


def leaves_left_to_right(tree: ItemTree) -> list[int]:
    """Return the ids of the leaves in the order of a depth-first walk."""
    children: dict[int | None, list[tuple[int, bool]]] = {}
    rows = tree.rows("SELECT parent, id, leaf FROM node ORDER BY parent, place")
    for parent, node, leaf in rows:
        children.setdefault(parent, []).append((node, bool(leaf)))
    if ROOT not in {node for node, _ in children.get(None, [])}:
        raise damaged(tree.path, "there is no root")
    leaves, waiting = [], children[None][::-1]
    while waiting:
        node, is_leaf = waiting.pop()
        if is_leaf:
            leaves.append(node)
        waiting += children.get(node, [])[::-1]
    return leaves


class SummaryAge(NamedTuple):
    """How many of a node's *size* items changed since its summary was written, if it has one."""

    node: int
    size: int
    stale: int
    has_summary: bool


_HAS_SUMMARY = "json_extract(description, '$.summary') != ''"


def summary_ages(tree: ItemTree) -> list[SummaryAge]:
    """Return the age of every node's summary."""
    rows = tree.rows(f"SELECT id, size, stale, {_HAS_SUMMARY} FROM node")
    return [SummaryAge(node, size, stale, bool(has)) for node, size, stale, has in rows]


def count_summaries(tree: ItemTree) -> int:
    """Return how many nodes have a summary written by a model."""
    ((count,),) = tree.rows(f"SELECT count(*) FROM node WHERE {_HAS_SUMMARY}")
    return int(count)


def count_stale_summaries(tree: ItemTree, share: float = STALE_SHARE) -> int:
    """Return how many summaries are out of date: more than *share* of the items changed since."""
    query = f"SELECT count(*) FROM node WHERE stale > ? * size AND {_HAS_SUMMARY}"
    ((count,),) = tree.rows(query, (share,))
    return int(count)


def fingerprint(tree: ItemTree) -> str:
    """Return a hash that changes when an item is added, removed or changed, or a branch renamed.

    It reads the root and its children only: every change below alters their counts or sums.
    """
    top = tree.rows(
        "SELECT id, size, moved, stale, description FROM node WHERE parent = ? OR id = ?",
        (ROOT, ROOT),
    )
    facts = json.dumps([sorted(tree.facts.items()), top], default=str, sort_keys=True)
    digest = hashlib.sha256(facts.encode("utf-8", "surrogatepass"))
    for (packed,) in tree.rows("SELECT packed FROM node_sum WHERE node = ?", (ROOT,)):
        digest.update(packed)
    return digest.hexdigest()[:16]
