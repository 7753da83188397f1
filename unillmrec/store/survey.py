"""Look over a whole tree: how large it is, where an item is."""

from __future__ import annotations

from dataclasses import dataclass

from unillmrec.store.item_tree import ItemTree
from unillmrec.store.nodes import PlacedItem


@dataclass(frozen=True, slots=True)
class Survey:
    """The size and the shape of a tree."""

    items: int
    leaves: int
    branches: int
    depth: int
    smallest_leaf: int
    largest_leaf: int
    most_children: int


def survey(tree: ItemTree) -> Survey:
    """Count the nodes of *tree*."""
    ((leaves, branches, depth, smallest, largest, children),) = tree.rows(
        """SELECT sum(leaf), sum(NOT leaf), max(depth),
            min(CASE WHEN leaf THEN size END), max(CASE WHEN leaf THEN size END),
            (SELECT coalesce(max(count), 0)
                FROM (SELECT count(parent) AS count FROM node GROUP BY parent))
        FROM node"""
    )
    return Survey(len(tree), leaves, branches, depth, smallest, largest, children)


def find_items(tree: ItemTree, text: str, limit: int) -> tuple[list[PlacedItem], int]:
    """Return the first *limit* items whose id or title contains *text*, and how many do.

    Upper and lower case do not matter.
    """
    patterns = sorted({_pattern(form) for form in (text, text.lower(), text.upper(), text.title())})
    # SQLite folds the case of ASCII letters only; for the others all usual forms are tried.
    clauses = " OR ".join(["id LIKE ? ESCAPE '\\' OR title LIKE ? ESCAPE '\\'"] * len(patterns))
    values = [pattern for each in patterns for pattern in (each, each)]
    rows = tree.rows(f"SELECT number FROM item WHERE {clauses} LIMIT ?", [*values, limit + 1])
    count = len(rows)
    if count > limit:
        ((count,),) = tree.rows(f"SELECT count(*) FROM item WHERE {clauses}", values)
    found = tree.items_numbered([number for (number,) in rows[:limit]])
    return [found[number] for (number,) in rows[:limit]], count


def _pattern(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
