"""Grow a tree along category paths, its large parts in processes of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from unillmrec.building.subtree_processes import WORTH_A_PROCESS, grow_in_processes
from unillmrec.tree.category_paths import Category
from unillmrec.tree.growing import Bounds, Growth, Rows, grow
from unillmrec.tree.path_growing import Place, grow_paths
from unillmrec.tree.vectors import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def grow_along_paths(
    points: csr_matrix | Floats,
    root: Category,
    bounds: Bounds,
    seed: int,
    workers: int,
    *,
    clusters: bool,
    report: Callable[[int, int], None],
) -> Growth:
    """Grow a tree of the categories below *root*; the number of *workers* does not change it."""

    def grow_rows(rows: Rows, place: Place) -> Growth:
        if len(rows) < WORTH_A_PROCESS:
            return grow(points, rows, bounds, place)
        grown = grow_in_processes(points[rows], bounds, seed, workers, lambda done, total: None)
        _renumber(grown, rows)
        return grown

    return grow_paths(
        points, root, bounds, seed, clusters=clusters, grow_rows=grow_rows, report=report
    )


def _renumber(node: Growth, rows: Rows) -> None:
    """Turn places among *rows* into rows."""
    if node.rows is not None:
        node.rows = rows[node.rows]
    for child in node.children:
        _renumber(child, rows)
