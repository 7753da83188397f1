"""Grow a tree along the catalog's own category paths, within the bounds of any other tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, count
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from unillmrec.items import one_line
from unillmrec.tree.category_paths import LABEL_LENGTH, Category
from unillmrec.tree.clustering import one_thread, unit_rows
from unillmrec.tree.growing import Bounds, Growth, Rows, grow, straighten
from unillmrec.tree.vectors import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# A leaf below this costs a line in a prompt and a call, and leads to next to nothing.
SMALL_LEAF = 5
# Where categories have to be grouped anyway, room is left for new ones.
FILLED = 0.8
# Two labels always fit; of more, the ends.
JOINED_LENGTH = 2 * LABEL_LENGTH + 3
NAMED_OF_GROUP = 3
NAME_LENGTH = 30
STEP = " > "

Place: TypeAlias = tuple[int, ...]
GrowRows: TypeAlias = Callable[[Rows, Place], Growth]


def grow_paths(
    points: csr_matrix | Floats,
    root: Category,
    bounds: Bounds,
    seed: int,
    *,
    clusters: bool,
    grow_rows: GrowRows | None = None,
    report: Callable[[int, int], None] | None = None,
) -> Growth:
    """Grow a tree whose branches are the categories below *root*.

    Items that stand on a category with others below it get a leaf beside those. What is
    over its bounds is parted by content: items of one category into numbered leaves,
    categories under one parent into branches of like ones, the largest kept apart.
    With *clusters* the numbers are left out, a category that just fills a leaf is one, and
    categories too small for a leaf of their own share one with their small siblings.

    *grow_rows* may grow the parts of one category elsewhere; it is given the rows, and a
    place to draw from. *report* is told how many items are placed, and of how many.
    """

    def grow_here(rows: Rows, place: Place) -> Growth:
        return grow(points, rows, bounds, place)

    with one_thread():
        planner = _Planner(points, bounds, seed, clusters=clusters)
        planned = planner.plan(root)
        planner.part_leaves(planned, grow_rows or grow_here, report)
    return planned


class _Planner:
    """Lays out the branches, and then parts the leaves that hold too much."""

    def __init__(
        self, points: csr_matrix | Floats, bounds: Bounds, seed: int, *, clusters: bool
    ) -> None:
        self._points = points
        self._bounds = bounds
        self._seed = seed
        self._clusters = clusters
        self._places = 0

    def _next_place(self) -> Place:
        self._places += 1
        return (self._seed, self._places)

    def plan(self, root: Category) -> Growth:
        """Return the tree with leaves of any size."""
        planned = self._branch(root, self._bounds.root_children)
        _make_distinct(planned)
        return planned

    def _branch(self, category: Category, most: int) -> Growth:
        label = category.label
        while len(category.children) == 1 and not len(category.rows):
            category = category.children[0]
            label = _joined(label, category.label)
        if not category.children or (self._clusters and category.size <= self._bounds.leaf_target):
            return Growth(_rows_below(category), [], label)
        children = [self._branch(child, self._bounds.most_children) for child in category.children]
        taken = {child.label.casefold() for child in children}
        own = _own_leaf(category, taken)
        if self._clusters:
            children, own = _share_small(children, own, category.label, taken)
        if len(children) + len(own) > most and most - len(own) < 2:
            children, own = children + own, []
        children = self._grouped(children, most - len(own)) + own
        if len(children) == 1:
            return Growth(children[0].rows, children[0].children, label)
        return Growth(None, children, label)

    def _grouped(self, children: list[Growth], most: int) -> list[Growth]:
        """Put the smaller of too many children under branches of like ones."""
        if len(children) <= most:
            return children
        width = max(2, int(FILLED * self._bounds.most_children))
        sizes = [_size(child) for child in children]
        by_size = sorted(range(len(children)), key=lambda place: -sizes[place])
        aim = max(2, int(FILLED * most))
        kept = max((n for n in range(aim) if n - (n - len(children)) // width <= aim), default=0)
        apart = sorted(by_size[:kept])
        rest = [children[place] for place in sorted(by_size[kept:])]
        centres = self._centres([_rows_of(child) for child in rest])
        limits = Bounds(width, leaf_target=width, leaf_capacity=self._bounds.most_children)
        grown = grow(centres, np.arange(len(rest)), limits, self._next_place())
        groups = grown.children if 0 < len(grown.children) <= most - kept else [grown]
        return [children[place] for place in apart] + [_group_of(each, rest) for each in groups]

    def _centres(self, parts: Sequence[Rows]) -> csr_matrix | Floats:
        """Return the unit sums of *parts* of the points, as rows."""
        points = self._points
        if isinstance(points, np.ndarray):
            return unit_rows(np.stack([points[rows].sum(axis=0) for rows in parts]))
        from scipy.sparse import csr_matrix, diags

        members = csr_matrix(
            (
                np.ones(sum(map(len, parts)), np.float32),
                np.concatenate(parts),
                np.concatenate([[0], np.cumsum([len(rows) for rows in parts])]),
            ),
            shape=(len(parts), points.shape[0]),
        )
        sums = members @ points
        lengths = np.sqrt(np.asarray(sums.multiply(sums).sum(axis=1)).ravel())
        return csr_matrix(diags(1 / np.where(lengths > 0, lengths, 1)) @ sums, dtype=np.float32)

    def part_leaves(
        self, planned: Growth, grow_rows: GrowRows, report: Callable[[int, int], None] | None
    ) -> None:
        """Part every leaf that holds too much by content."""
        bounds = replace(self._bounds, root_children=self._bounds.fan_out)
        done, total = 0, _size(planned)
        for leaf in _leaves(planned):
            assert leaf.rows is not None
            rows = leaf.rows
            if len(rows) > bounds.leaf_capacity:
                grown = straighten(grow_rows(rows, self._next_place()), bounds)
                leaf.rows, leaf.children = None, grown.children
                if not self._clusters:
                    _number(leaf, f"{_last(leaf.label)} ")
            done += len(rows)
            if report is not None:
                report(done, total)


def _joined(*labels: str) -> str:
    """Return the labels of a chain as one; of a long chain the ends."""
    told = [label for label in labels if label]
    whole = STEP.join(told)
    if len(whole) <= JOINED_LENGTH:
        return whole
    return STEP.join([whole.split(STEP, 1)[0], "…", told[-1]])


def _last(label: str) -> str:
    """Return the last label of a chain that was joined."""
    return label.rsplit(STEP, 1)[-1]


def _own_leaf(category: Category, taken: set[str]) -> list[Growth]:
    """Return the leaf of the items that stand on the category itself, if there are any."""
    if not len(category.rows):
        return []
    # Only the root has no label: what stands on it has no path.
    names = ("General", "No subcategory") if category.label else ("No category", "Without category")
    return [Growth(category.rows, [], _free(names, taken))]


def _free(names: Sequence[str], taken: set[str]) -> str:
    """Return the first of *names* that no sibling has."""
    return next((name for name in names if name.casefold() not in taken), names[0])


def _share_small(
    children: list[Growth], own: list[Growth], label: str, taken: set[str]
) -> tuple[list[Growth], list[Growth]]:
    """Put leaves that are too small into one; return the children and the leaves beside them.

    What they hold together may be too small as well: then the next smallest joins them, or
    the category's own items. Items without a path are never put with those that have one.
    """
    may_join = own if label else []
    leaves = sorted((leaf for leaf in [*children, *may_join] if leaf.rows is not None), key=_size)
    parts = [leaf for leaf in leaves if _size(leaf) < SMALL_LEAF]
    if parts and sum(map(_size, parts)) < SMALL_LEAF:
        near = [leaf for leaf in leaves[len(parts) :] if _size(leaf) < 2 * SMALL_LEAF]
        parts += (near or [leaf for leaf in may_join if _size(leaf) >= SMALL_LEAF])[:1]
    if len(parts) < 2:
        return children, own
    joined = {id(part) for part in parts}
    rows = np.sort(np.concatenate([_rows_of(part) for part in parts]))
    names = ("Other categories", "Further categories")
    other = Growth(rows, [], _free((f"Other {label}", f"More {label}") if label else names, taken))
    kept = [child for child in children if id(child) not in joined]
    return kept, [other, *(leaf for leaf in own if id(leaf) not in joined)]


def _group_of(grown: Growth, members: Sequence[Growth]) -> Growth:
    """Return a branch over the categories that were grown together, named after the largest."""
    held: list[Growth] = [members[place] for place in _rows_of(grown)]
    if len(held) == 1:
        return held[0]
    children = [_group_of(each, members) for each in grown.children] or held
    named = sorted(held, key=lambda child: -_size(child))[:NAMED_OF_GROUP]
    label = ", ".join(one_line(_last(child.label), NAME_LENGTH) for child in named)
    more = len(held) - len(named)
    return Growth(None, children, f"{label} and {more} more" if more else label)


def _number(node: Growth, stem: str) -> None:
    for number, child in enumerate(node.children, start=1):
        child.label = f"{stem}{number}"
        _number(child, f"{stem}{number}.")


def _make_distinct(node: Growth) -> None:
    """Number labels that look the same among siblings, for they are not."""
    taken: set[str] = set()
    for child in node.children:
        numbered = (f"{child.label} ({number})" for number in count(2))
        child.label = next(
            each for each in chain([child.label], numbered) if each.casefold() not in taken
        )
        taken.add(child.label.casefold())
        _make_distinct(child)


def _leaves(node: Growth) -> list[Growth]:
    if node.rows is not None:
        return [node]
    return [leaf for child in node.children for leaf in _leaves(child)]


def _rows_of(node: Growth) -> Rows:
    return np.concatenate([leaf.rows for leaf in _leaves(node) if leaf.rows is not None])


def _size(node: Growth) -> int:
    return sum(len(leaf.rows) for leaf in _leaves(node) if leaf.rows is not None)


def _rows_below(category: Category) -> Rows:
    """Return the items of a category and of all below it, in the catalog's order."""
    parts = [_rows_below(child) for child in category.children]
    return np.sort(np.concatenate([category.rows, *parts]))
