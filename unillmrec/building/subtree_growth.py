"""Grow a large tree in several processes: the top here, its subtrees in workers.

Points and rows are exchanged through files, so nothing is pickled or inherited.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unillmrec.building.backends import Backend, ProcessBackend
from unillmrec.tree.category_paths import Category
from unillmrec.tree.clustering import one_thread
from unillmrec.tree.growing import Bounds, Growth, Rows, Seed, grow, split
from unillmrec.tree.path_growing import OnItems, grow_paths
from unillmrec.tree.vectors import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Starting a process and its imports take about as long as growing a tree over this many items.
MIN_SIZE_FOR_PROCESSES = 20_000
# There are more subtrees than workers, so that uneven ones balance out. With two workers, the
# children of the root are the subtrees, and no other split has to be waited for.
SUBTREES_PER_WORKER = 4
REMEDY = "--workers 1, and check the free memory."


@dataclass(frozen=True, slots=True)
class OpenSubtree:
    """A node below which a worker grows the tree over *rows*."""

    node: Growth
    rows: Rows
    seed: Seed


def grow_in_processes(
    points: csr_matrix | Floats, bounds: Bounds, seed: int, workers: int, on_progress: OnItems
) -> Growth:
    """Grow a tree over all rows; the result does not depend on the number of *workers*."""
    total = points.shape[0]
    rows = np.arange(total, dtype=np.int64)
    with one_thread():
        if workers < 2 or total < MIN_SIZE_FOR_PROCESSES:
            return grow(points, rows, bounds, (seed,))
        subtrees: list[OpenSubtree] = []
        largest = max(total // (SUBTREES_PER_WORKER * workers), bounds.leaf_capacity)
        root = _grow_top(points, rows, bounds, (seed,), largest, subtrees)
    backend = ProcessBackend(workers, remedy=REMEDY)
    with tempfile.TemporaryDirectory(prefix="unillmrec-") as folder:
        _write_points(Path(folder), points)
        _grow_subtrees(Path(folder), bounds, subtrees, backend, on_progress)
    return root


def grow_along_paths(
    points: csr_matrix | Floats,
    root: Category,
    bounds: Bounds,
    seed: int,
    workers: int,
    *,
    clusters: bool,
    on_progress: OnItems,
) -> Growth:
    """Grow a tree of the categories below *root*; the number of *workers* does not change it."""

    def grow_rows(rows: Rows, seed_of_rows: Seed) -> Growth:
        if len(rows) < MIN_SIZE_FOR_PROCESSES:
            return grow(points, rows, bounds, seed_of_rows)
        grown = grow_in_processes(points[rows], bounds, seed, workers, lambda done, total: None)
        _renumber(grown, rows)
        return grown

    return grow_paths(
        points, root, bounds, seed, clusters=clusters, grow_rows=grow_rows, on_progress=on_progress
    )


def _renumber(node: Growth, rows: Rows) -> None:
    """Replace positions among *rows* by the rows themselves."""
    if node.rows is not None:
        node.rows = rows[node.rows]
    for child in node.children:
        _renumber(child, rows)


def _grow_top(
    points: csr_matrix | Floats,
    rows: Rows,
    bounds: Bounds,
    seed: Seed,
    largest: int,
    subtrees: list[OpenSubtree],
) -> Growth:
    """Split until no part has more than *largest* rows, and add the parts to *subtrees*."""
    node = Growth(None, [])
    if len(rows) <= largest:
        subtrees.append(OpenSubtree(node, rows, seed))
    else:
        node.children = [
            _grow_top(points, part, bounds, (*seed, number), largest, subtrees)
            for number, part in enumerate(split(points, rows, bounds, seed))
        ]
    return node


def _grow_subtrees(
    folder: Path,
    bounds: Bounds,
    subtrees: list[OpenSubtree],
    backend: Backend,
    on_progress: OnItems,
) -> None:
    """Let a backend grow all subtrees, and attach the results to the tree."""
    # The largest first, so that the last one to finish is small.
    subtrees.sort(key=lambda each: -len(each.rows))
    plan = {"bounds": asdict(bounds), "seeds": [each.seed for each in subtrees]}
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    for number, each in enumerate(subtrees):
        np.save(folder / f"rows-{number}.npy", each.rows)
    done, total = 0, sum(len(each.rows) for each in subtrees)

    def on_done(number: int) -> None:
        nonlocal done
        done += len(subtrees[number].rows)
        on_progress(done, total)

    backend.run(grow_subtree, folder, range(len(subtrees)), on_done)
    for number, each in enumerate(subtrees):
        grown = _from_json(json.loads((folder / f"grown-{number}.json").read_bytes()))
        each.node.rows, each.node.children = grown.rows, grown.children


def grow_subtree(folder: Path, number: int) -> None:
    """Grow one subtree of the plan in *folder*: the step that workers run."""
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    rows = np.load(folder / f"rows-{number}.npy")
    with one_thread():
        grown = grow(
            _read_points(folder), rows, Bounds(**plan["bounds"]), tuple(plan["seeds"][number])
        )
    (folder / f"grown-{number}.json").write_text(json.dumps(_to_json(grown)), encoding="utf-8")


def _write_points(folder: Path, points: csr_matrix | Floats) -> None:
    if isinstance(points, np.memmap) and isinstance(points.base, mmap):
        # Workers can read the file where it is; without symbolic links they get a copy.
        with suppress(OSError):
            points.flush()
            (folder / "points.npy").symlink_to(points.filename)
            return
    if isinstance(points, np.ndarray):
        np.save(folder / "points.npy", points)
        return
    for name in ("data", "indices", "indptr"):
        np.save(folder / f"{name}.npy", getattr(points, name))
    (folder / "shape.json").write_text(json.dumps(points.shape), encoding="utf-8")


# A worker grows several subtrees over the same points.
@lru_cache(maxsize=1)
def _read_points(folder: Path) -> csr_matrix | Floats:
    if (folder / "points.npy").exists():
        points: Floats = np.load(folder / "points.npy", mmap_mode="r")
        return points
    from scipy.sparse import csr_matrix

    data, indices, indptr = (
        np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("data", "indices", "indptr")
    )
    shape = json.loads((folder / "shape.json").read_text(encoding="utf-8"))
    return csr_matrix((data, indices, indptr), shape=tuple(shape), copy=False)


def _to_json(node: Growth) -> dict[str, Any]:
    if node.rows is not None:
        return {"rows": node.rows.tolist()}
    return {"children": [_to_json(child) for child in node.children]}


def _from_json(stored: dict[str, Any]) -> Growth:
    if "rows" in stored:
        return Growth(np.array(stored["rows"], np.int64), [])
    return Growth(None, [_from_json(child) for child in stored["children"]])
