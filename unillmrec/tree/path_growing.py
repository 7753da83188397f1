"""Grow a tree that follows the category paths of the catalog, within the usual bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, count
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from unillmrec.tree.category_paths import Category
from unillmrec.tree.clustering import one_thread, unit_rows
from unillmrec.tree.growing import Bounds, Growth, Rows, Seed, flatten, grow
from unillmrec.tree.node_names import group_name, join_names, last_label, number_parts
from unillmrec.tree.vectors import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# A smaller leaf costs a line in a prompt and a call, but leads to hardly any items.
SMALL_LEAF = 5
# Groups of categories are filled to this share, which leaves room for new ones.
FILLED = 0.8

GrowRows: TypeAlias = Callable[[Rows, Seed], Growth]
"""Grows a tree over some rows with the given seed."""
OnItems: TypeAlias = Callable[[int, int], None]
"""Called with the number of items that are placed, and the number of all items."""


def grow_paths(
    points: csr_matrix | Floats,
    root: Category,
    bounds: Bounds,
    seed: int,
    *,
    clusters: bool,
    grow_rows: GrowRows | None = None,
    on_progress: OnItems | None = None,
) -> Growth:
    """Grow a tree whose branches are the categories below *root*.

    Items directly in a category that has subcategories get a leaf beside those. Whatever exceeds
    the bounds is clustered: the items of one category into numbered leaves, and too many
    subcategories into branches of similar ones, except for the largest. With *clusters* there
    are no numbers, a category that fits into a leaf becomes one, and categories that are too
    small for a leaf share one with their small siblings.

    *grow_rows* may grow the parts of a large category elsewhere.
    """

    def grow_here(rows: Rows, seed: Seed) -> Growth:
        return grow(points, rows, bounds, seed)

    with one_thread():
        planner = _Planner(points, bounds, seed, clusters=clusters)
        planned = planner.plan(root)
        planner.split_leaves(planned, grow_rows or grow_here, on_progress)
    return planned


class _Planner:
    """Lays out the branches, and then splits leaves that hold too many items."""

    def __init__(
        self, points: csr_matrix | Floats, bounds: Bounds, seed: int, *, clusters: bool
    ) -> None:
        self._points = points
        self._bounds = bounds
        self._seed = seed
        self._clusters = clusters
        self._seeds_used = 0

    def _next_seed(self) -> Seed:
        self._seeds_used += 1
        return (self._seed, self._seeds_used)

    def plan(self, root: Category) -> Growth:
        """Return a tree whose leaves may have any size."""
        planned = self._branch(root, self._bounds.root_children)
        _make_distinct(planned)
        return planned

    def _branch(self, category: Category, most: int) -> Growth:
        label = category.label
        while len(category.children) == 1 and not len(category.rows):
            category = category.children[0]
            label = join_names(label, category.label)
        if not category.children or (self._clusters and category.size <= self._bounds.leaf_target):
            return Growth(_rows_below(category), [], label)
        children = [self._branch(child, self._bounds.most_children) for child in category.children]
        taken = {child.label.casefold() for child in children}
        own = _leaf_of_category(category, taken)
        if self._clusters:
            children, own = _merge_small_leaves(children, own, category.label, taken)
        if len(children) + len(own) > most and most - len(own) < 2:
            children, own = children + own, []
        children = self._group(children, most - len(own)) + own
        if len(children) == 1:
            return Growth(children[0].rows, children[0].children, label)
        return Growth(None, children, label)

    def _group(self, children: list[Growth], most: int) -> list[Growth]:
        """If there are too many children, put the smaller ones under branches of similar ones."""
        if len(children) <= most:
            return children
        width = max(2, int(FILLED * self._bounds.most_children))
        sizes = [_size(child) for child in children]
        by_size = sorted(range(len(children)), key=lambda place: -sizes[place])
        aim = max(2, int(FILLED * most))
        ungrouped = max(
            (n for n in range(aim) if n - (n - len(children)) // width <= aim), default=0
        )
        largest = sorted(by_size[:ungrouped])
        rest = [children[place] for place in sorted(by_size[ungrouped:])]
        centres = self._centres([_rows_of(child) for child in rest])
        limits = Bounds(width, leaf_target=width, leaf_capacity=self._bounds.most_children)
        grown = grow(centres, np.arange(len(rest)), limits, self._next_seed())
        groups = grown.children if 0 < len(grown.children) <= most - ungrouped else [grown]
        return [children[place] for place in largest] + [_group_of(each, rest) for each in groups]

    def _centres(self, parts: Sequence[Rows]) -> csr_matrix | Floats:
        """Return for each part the sum of its points, scaled to length one."""
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

    def split_leaves(
        self, planned: Growth, grow_rows: GrowRows, on_progress: OnItems | None
    ) -> None:
        """Cluster the items of every leaf that holds too many."""
        bounds = replace(self._bounds, root_children=self._bounds.fan_out)
        done, total = 0, _size(planned)
        for leaf in _leaves(planned):
            assert leaf.rows is not None
            rows = leaf.rows
            if len(rows) > bounds.leaf_capacity:
                grown = flatten(grow_rows(rows, self._next_seed()), bounds)
                leaf.rows, leaf.children = None, grown.children
                if not self._clusters:
                    number_parts(leaf, f"{last_label(leaf.label)} ")
            done += len(rows)
            if on_progress is not None:
                on_progress(done, total)


def _leaf_of_category(category: Category, taken: set[str]) -> list[Growth]:
    """Return a leaf with the items directly in a category, or nothing if there are none."""
    if not len(category.rows):
        return []
    # Only the root has no label: its items have no path.
    names = ("General", "No subcategory") if category.label else ("No category", "Without category")
    return [Growth(category.rows, [], _first_free(names, taken))]


def _first_free(names: Sequence[str], taken: set[str]) -> str:
    """Return the first of *names* that is not taken, or the first one."""
    return next((name for name in names if name.casefold() not in taken), names[0])


def _merge_small_leaves(
    children: list[Growth], own: list[Growth], label: str, taken: set[str]
) -> tuple[list[Growth], list[Growth]]:
    """Merge leaves that are too small; return the other children, and the leaves beside them.

    If all of them together are still too small, the next smallest leaf joins them, or the leaf
    *own* of the category itself. Items without a path never join items that have one.
    """
    may_join = own if label else []
    leaves = sorted((leaf for leaf in [*children, *may_join] if leaf.rows is not None), key=_size)
    parts = [leaf for leaf in leaves if _size(leaf) < SMALL_LEAF]
    if parts and sum(map(_size, parts)) < SMALL_LEAF:
        near = [leaf for leaf in leaves[len(parts) :] if _size(leaf) < 2 * SMALL_LEAF]
        parts += (near or [leaf for leaf in may_join if _size(leaf) >= SMALL_LEAF])[:1]
    if len(parts) < 2:
        return children, own
    merged = {id(part) for part in parts}
    rows = np.sort(np.concatenate([_rows_of(part) for part in parts]))
    names = ("Other categories", "Further categories")
    other = Growth(
        rows, [], _first_free((f"Other {label}", f"More {label}") if label else names, taken)
    )
    others = [child for child in children if id(child) not in merged]
    return others, [other, *(leaf for leaf in own if id(leaf) not in merged)]


def _group_of(grown: Growth, members: Sequence[Growth]) -> Growth:
    """Return a branch over the categories of one cluster, named after the largest."""
    categories: list[Growth] = [members[place] for place in _rows_of(grown)]
    if len(categories) == 1:
        return categories[0]
    children = [_group_of(each, members) for each in grown.children] or categories
    name = group_name([(child.label, _size(child)) for child in categories])
    return Growth(None, children, name)


def _make_distinct(node: Growth) -> None:
    """Number siblings whose labels look the same but stand for different categories."""
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
    """Return the items of a category and its subcategories, in catalog order."""
    parts = [_rows_below(child) for child in category.children]
    return np.sort(np.concatenate([category.rows, *parts]))
