"""How do building, the first recommendation and the walk scale to a million items?"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.results import save

QUESTION = __doc__
SIZES = (10_000, 100_000, 1_000_000)
VECTORS = 1_000_000
# So many are clustered and nothing else: their items would take the generator half an hour.
MANY_VECTORS = 10_000_000
FEW_DIMENSIONS = 32
SEED = 0
PEOPLE = 50
STARTS = 5
# A leaf with fewer items costs a line in a prompt and leads to next to nothing.
TINY = 5
SAMPLE_SECONDS = 0.1
# What a million items may take on two cores; "clustering" is of vectors, the others of titles.
TARGETS = {
    "clustering CPU s": 30,
    "build s": 60,
    "build MB": 1_500,
    "tiny leaves %": 0.5,
    "largest leaf": 50,
    "depth": 5,
    "first question s": 0.5,
    "recommendation s": 1.0,
    "recommendation MB": 200,
}


def run(data: Path) -> None:
    """Measure each size, with words and then vectors, in processes of their own."""
    columns: dict[str, dict[str, Any]] = {}
    for size, vectors in [*((size, False) for size in SIZES), (VECTORS, True)]:
        column = f"{size:,} {'vectors' if vectors else 'titles'}"
        columns[column] = _measured(data, size, vectors=vectors)
        print(column, columns[column], flush=True)
    column = f"{MANY_VECTORS:,} vectors of {FEW_DIMENSIONS}"
    columns[column] = _clustered(data)
    print(column, columns[column], flush=True)
    save(
        "scale",
        QUESTION,
        _by_measure(columns),
        seed=SEED,
        people=PEOPLE,
        judge="embedded similarity judge, no model",
    )


def _by_measure(columns: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Transpose the table: many measures of few catalogs read better in rows."""
    measures = dict.fromkeys(measure for column in columns.values() for measure in column)
    return [
        {
            "": measure,
            "at most": TARGETS.get(measure, ""),
            **{name: column.get(measure, "") for name, column in columns.items()},
        }
        for measure in measures
    ]


def _measured(data: Path, size: int, *, vectors: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="scale-", dir=data) as name:
        folder = Path(name)
        _in_process("generate", folder, size, vectors)
        # A build that has to wait for the disk to take the catalog would be charged for it.
        os.sync()
        row: dict[str, Any] = {}
        if vectors:
            clustered = _in_process("cluster", folder, size, vectors)
            row |= {"clustering s": clustered["seconds"], "clustering CPU s": clustered["cpu"]}
            row |= {"clustering MB": clustered["megabytes"]}
        built = _in_process("build", folder, size, vectors)
        row |= {"build s": built["seconds"], "build CPU s": built["cpu"]}
        row |= {"build MB": built["megabytes"], **built["report"], **_shape(folder / "a.tree")}
        row |= _cold_starts(folder, size)
        walked: dict[str, Any] = _in_process("walk", folder, size, vectors, PEOPLE)["report"]
        return row | walked


def _clustered(data: Path) -> dict[str, Any]:
    """Cluster many vectors without items, and return the shape of the tree."""
    with tempfile.TemporaryDirectory(prefix="scale-", dir=data) as name:
        folder = Path(name)
        _in_process("scatter", folder, MANY_VECTORS, True)
        os.sync()
        clustered = _in_process("cluster", folder, MANY_VECTORS, True)
        return {
            "clustering s": clustered["seconds"],
            "clustering CPU s": clustered["cpu"],
            "clustering MB": clustered["megabytes"],
            **clustered["report"],
        }


def _in_process(step: str, folder: Path, size: int, vectors: bool, *more: int) -> dict[str, Any]:
    """Run a step in its own process; return what it and its children took."""
    command = [sys.executable, "-m", "benchmarks.scale"]
    command += [step, str(folder), str(size), "vectors" if vectors else "words", *map(str, more)]
    started = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _megabytes(process.pid))
            time.sleep(SAMPLE_SECONDS)
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"The step {step!r} ended with code {process.returncode}.")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    report: dict[str, Any] = json.loads(output.splitlines()[-1])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu": round(cpu, 1),
        # Between two looks the process itself may have held more than was seen.
        "megabytes": round(max(peak, report.pop("megabytes"))),
        "report": report,
    }


def _megabytes(process: int) -> float:
    """Return the memory of a process and its children, counting shared pages once."""
    total = 0.0
    waiting = [process]
    while waiting:
        place = Path(f"/proc/{waiting.pop()}")
        try:
            lines = (place / "smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            for thread in (place / "task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
        except (OSError, ValueError):
            continue  # It has just ended, or this system does not tell.
    return total / 1024


def _shape(path: Path) -> dict[str, Any]:
    """Return the file size and the leaf sizes."""
    db = sqlite3.connect(path)
    leaves, tiny, largest, deepest = db.execute(
        "SELECT count(*), sum(size < ?), max(size), max(depth) FROM node WHERE leaf", (TINY,)
    ).fetchone()
    (branches,) = db.execute("SELECT count(*) FROM node WHERE NOT leaf").fetchone()
    (widest,) = db.execute(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM node GROUP BY parent)"
    ).fetchone()
    db.close()
    return {
        "file MB": round(path.stat().st_size / 1e6),
        "leaves": leaves,
        "tiny leaves %": round(100 * tiny / leaves, 2),
        "largest leaf": largest,
        "branches": branches,
        "most children": widest,
        "depth": deepest,
    }


def _cold_starts(folder: Path, size: int) -> dict[str, Any]:
    """Return median times of one recommendation in a fresh process."""
    from benchmarks.synthetic import SyntheticCatalog, item_id

    taken = []
    for person in SyntheticCatalog(size, SEED).people(STARTS):
        history = ",".join(map(item_id, person.history))
        command = [sys.executable, "-m", "benchmarks.cold_start", str(folder / "a.tree"), history]
        done = subprocess.run(
            [*command, repr(time.perf_counter())], capture_output=True, text=True, check=True
        )
        taken.append(json.loads(done.stdout))
    middle = {name: sorted(each[name] for each in taken)[STARTS // 2] for name in taken[0]}
    return {
        "first question s": round(middle["first question"], 3),
        "recommendation s": round(middle["recommendation"], 3),
        "recommendation CPU s": round(middle["cpu"], 3),
        "recommendation MB": round(middle["megabytes"]),
    }


# What runs in a process of its own


def _generate(folder: Path, size: int, vectors: bool) -> dict[str, Any]:
    from benchmarks.synthetic import SyntheticCatalog

    catalog = SyntheticCatalog(size, SEED)
    catalog.write_catalog(folder / "a.jsonl")
    if vectors:
        catalog.write_vectors(folder / "a.npy")
    return {}


def _scatter(folder: Path, size: int, vectors: bool) -> dict[str, Any]:
    """Generate vectors in half precision, in chunks, to save memory."""
    import numpy as np

    from benchmarks.synthetic import SyntheticCatalog

    assert vectors
    SyntheticCatalog(size, SEED).write_vectors(folder / "a.npy", FEW_DIMENSIONS, np.float16)
    return {}


def _cluster(folder: Path, size: int, vectors: bool) -> dict[str, Any]:
    """Grow a tree over given vectors only."""
    import numpy as np

    from unillmrec.building.given_vectors import VectorFile
    from unillmrec.building.subtree_growth import grow_in_processes
    from unillmrec.system.processes import available_cores
    from unillmrec.tree.growing import Bounds, Shape, flatten

    assert vectors
    points = VectorFile(folder / "a.npy").for_items(size)
    grown = grow_in_processes(points, Bounds(), SEED, available_cores(), lambda *_: None)
    shape = Shape.of(flatten(grown, Bounds()))
    sizes = (np.array(shape.ends) - shape.starts)[np.array(shape.leaves)]
    return {
        "leaves": len(sizes),
        "tiny leaves %": round(100 * float((sizes < TINY).mean()), 2),
        "largest leaf": int(sizes.max()),
        "branches": len(shape.parents) - len(sizes),
        "depth": max(shape.depths),
    }


def _build(folder: Path, size: int, vectors: bool) -> dict[str, Any]:
    from unillmrec import BuildOptions, build, read_catalog
    from unillmrec.building.given_vectors import VectorFile

    given = VectorFile(folder / "a.npy") if vectors else None
    report = build(
        read_catalog(folder / "a.jsonl"), folder / "a.tree", BuildOptions(seed=SEED, given=given)
    )
    assert report.items == size
    return {f"{phase} s": round(taken, 1) for phase, taken in report.seconds.items()}


def _walk(folder: Path, size: int, vectors: bool, people: int) -> dict[str, Any]:
    """Compare what walks find with people's topics, and with an exhaustive search."""
    from benchmarks.walk_recall import walk_recall

    walked = asdict(walk_recall(folder / "a.tree", size, SEED, people))
    return {measure.replace("_", " "): mean for measure, mean in walked.items()}


STEPS: dict[str, Callable[..., dict[str, Any]]] = {
    "generate": _generate,
    "scatter": _scatter,
    "cluster": _cluster,
    "build": _build,
    "walk": _walk,
}


def _main() -> None:
    step, folder, size, kind, *more = sys.argv[1:]
    report = STEPS[step](Path(folder), int(size), kind == "vectors", *map(int, more))
    report["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(report))


if __name__ == "__main__":
    _main()
