"""Grow the subtrees of a large tree in processes of their own.

Points and rows pass through files, so that a worker is an ordinary command: nothing is
pickled, nothing is inherited, and the same function runs wherever the files can be read.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unillmrec.errors import TreeError
from unillmrec.system.processes import command_of, environment_of_commands
from unillmrec.tree.clustering import one_thread
from unillmrec.tree.growing import Bounds, Growth, Rows, grow, split
from unillmrec.tree.vectors import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Starting a process and reading its imports takes about as long as growing this many items.
WORTH_A_PROCESS = 20_000
# More parts than workers, so that an uneven share evens out; with two of them, the children of
# the root are parts, and no other split has to be waited for.
PARTS_FOR_EACH = 4
POLL_SECONDS = 0.05

Place = tuple[int, ...]


def grow_in_processes(
    points: csr_matrix | Floats,
    bounds: Bounds,
    seed: int,
    workers: int,
    report: Callable[[int, int], None],
) -> Growth:
    """Grow a tree over all rows; the result does not depend on the number of *workers*."""
    total = points.shape[0]
    everything = np.arange(total, dtype=np.int64)
    with one_thread():
        if workers < 2 or total < WORTH_A_PROCESS:
            return grow(points, everything, bounds, (seed,))
        largest = total // (PARTS_FOR_EACH * workers)
        top, open_parts = _grow_top(points, everything, bounds, (seed,), largest)
    with tempfile.TemporaryDirectory(prefix="unillmrec-") as folder:
        _write_points(Path(folder), points)
        grown = _run_workers(Path(folder), bounds, open_parts, workers, total, report)
    for place, (node, _) in open_parts.items():
        node.rows, node.children = grown[place].rows, grown[place].children
    return top


def _grow_top(
    points: csr_matrix | Floats, rows: Rows, bounds: Bounds, place: Place, largest: int
) -> tuple[Growth, dict[Place, tuple[Growth, Rows]]]:
    """Split from the root until every part has at most *largest* rows; return the open parts."""
    if len(rows) <= max(largest, bounds.leaf_capacity):
        node = Growth(None, [])
        return node, {place: (node, rows)}
    open_parts: dict[Place, tuple[Growth, Rows]] = {}
    children = []
    for number, part in enumerate(split(points, rows, bounds, place)):
        child, below = _grow_top(points, part, bounds, (*place, number), largest)
        children.append(child)
        open_parts |= below
    return Growth(None, children), open_parts


def _write_points(folder: Path, points: csr_matrix | Floats) -> None:
    if isinstance(points, np.memmap) and isinstance(points.base, mmap):
        # Its file can be read where it is; a system without links gets a copy.
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


def _run_workers(
    folder: Path,
    bounds: Bounds,
    parts: dict[Place, tuple[Growth, Rows]],
    workers: int,
    total: int,
    report: Callable[[int, int], None],
) -> dict[Place, Growth]:
    """Let *workers* processes grow all *parts*; a failing one ends them all."""
    for number, (_, rows) in enumerate(parts.values()):
        np.save(folder / f"rows-{number}.npy", rows)
    places = list(parts)
    running: list[subprocess.Popen[bytes]] = []
    try:
        # The largest first, so that what is left to the end is small.
        order = sorted(range(len(places)), key=lambda number: -len(parts[places[number]][1]))
        work = {
            "leaf": [bounds.leaf_target, bounds.leaf_capacity],
            "fan_out": bounds.fan_out,
            "parts": [[number, places[number]] for number in order],
        }
        for number in range(min(workers, len(places))):
            running.append(_start_worker(folder, work, number))
        _watch(folder, running, [len(rows) for _, rows in parts.values()], total, report)
    finally:
        for process in running:
            process.kill()
            process.wait()
    return {
        place: _from_lists(json.loads((folder / f"grown-{n}.json").read_bytes()))
        for n, place in enumerate(places)
    }


def _start_worker(folder: Path, work: dict[str, Any], number: int) -> subprocess.Popen[bytes]:
    path = folder / f"work-{number}.json"
    path.write_text(json.dumps(work), encoding="utf-8")
    with (folder / f"errors-{number}.txt").open("wb") as errors:
        return subprocess.Popen(
            command_of("unillmrec.building.subtree_processes", str(path)),
            env=environment_of_commands(),
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
        )


def _watch(
    folder: Path,
    running: list[subprocess.Popen[bytes]],
    sizes: list[int],
    total: int,
    report: Callable[[int, int], None],
) -> None:
    while True:
        codes = [process.poll() for process in running]
        for number, code in enumerate(codes):
            if code:
                said = (folder / f"errors-{number}.txt").read_text("utf-8", "replace").strip()
                raise TreeError(
                    f"a process that grows part of the tree ended with code {code}.",
                    detail=said.splitlines()[-1] if said else "It left no message.",
                    remedy="--workers 1, and check the free memory.",
                )
        report(sum(n for i, n in enumerate(sizes) if (folder / f"grown-{i}.json").exists()), total)
        if all(code == 0 for code in codes):
            return
        time.sleep(POLL_SECONDS)


def grow_part(work_file: Path) -> None:
    """Grow those parts a work file names that no other worker has taken; what a process runs."""
    folder = work_file.parent
    work = json.loads(work_file.read_text(encoding="utf-8"))
    target, capacity = work["leaf"]
    bounds = Bounds(fan_out=work["fan_out"], leaf_target=target, leaf_capacity=capacity)
    points = _read_points(folder)
    for number, place in work["parts"]:
        try:
            (folder / f"taken-{number}").touch(exist_ok=False)
        except FileExistsError:
            continue
        with one_thread():
            grown = grow(points, np.load(folder / f"rows-{number}.npy"), bounds, tuple(place))
        beside = folder / f"grown-{number}.part"
        beside.write_text(json.dumps(_to_lists(grown)), encoding="utf-8")
        beside.replace(folder / f"grown-{number}.json")


def _to_lists(node: Growth) -> dict[str, Any]:
    if node.rows is not None:
        return {"rows": node.rows.tolist()}
    return {"children": [_to_lists(child) for child in node.children]}


def _from_lists(kept: dict[str, Any]) -> Growth:
    if "rows" in kept:
        return Growth(np.array(kept["rows"], np.int64), [])
    return Growth(None, [_from_lists(child) for child in kept["children"]])


if __name__ == "__main__":
    grow_part(Path(sys.argv[1]))
