"""Is a tree built in shards as good, with every engine, and after any number of kills?"""

from __future__ import annotations

import hashlib
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import SEED, find, load_with_people
from benchmarks.intervals import mean
from benchmarks.results import save
from unillmrec import BuildOptions, ItemTree, Options, Recommender, build, read_catalog
from unillmrec.building import Sharding
from unillmrec.store.invariants import find_breaches

QUESTION = __doc__
LARGE, WITH_PEOPLE = "catalog-mixed", "amazon-beauty"
WORKERS = 2
LEAVES = (5, 12)
QUERIES, NEAREST = 300, 10
PEOPLE, SEEDS = 1_000, (0, 1, 2)
# So that a catalog of twelve thousand items is cut up like one of millions.
SMALL = {"sample": 4_000, "shard": 3_000, "cell": 2_000}
# How the large catalog is cut up: as any is that is built in shards.
CUT: dict[str, int] = {}
TINY = 5
SAMPLE_SECONDS = 0.05
# After which finished pieces of work the build is killed; one more kill comes in the merge.
KILLS = ("slice-00002", "top", "shard-00001", "cell-00002", "cell-00009")


def run(data: Path) -> None:
    """Build one catalog in every way and compare the files; compare the walks on two."""
    engines = ["local", "processes"] + (["ray"] if _ray() else [])
    catalog = find(data, LARGE, "items.jsonl")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for how in ("in memory", *engines):
            rows.append(_built(how, catalog, folder))
            print(rows[-1], flush=True)
        expected = rows[1]["file"]
        rows += _killed(engines, catalog, folder, expected)
        for row in rows:
            row["same file"] = _same(row, expected)
            del row["file"]
        _add_neighbours(rows, folder)
    rows += _with_people(data)
    save(
        "sharded",
        QUESTION,
        rows,
        seed=(SEED, *SEEDS),
        ray=_ray(),
        judge="embedded similarity judge, no model",
    )


def _ray() -> str | None:
    try:
        return version("ray")
    except PackageNotFoundError:
        return None


def _same(row: dict[str, Any], expected: str) -> str:
    if row["built"] == "in memory":
        return ""
    return "yes" if row["file"] == expected else "no"


# Time and memory


def _built(how: str, catalog: Path, folder: Path) -> dict[str, Any]:
    path = folder / f"{how}.tree"
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with _start(how, catalog, path, None) as process:
        peak = most = 0.0
        while process.poll() is None:
            sizes = list(_megabytes(process.pid))
            peak, most = max(peak, sum(sizes)), max([most, *sizes])
            time.sleep(SAMPLE_SECONDS)
        assert process.stdout is not None
        report = json.loads(process.stdout.read().splitlines()[-1])
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "set": LARGE,
        "built": how,
        "seconds": round(seconds, 1),
        # Ray's workers are nobody's children, so nobody counts for them.
        "CPU s": "" if how == "ray" else round(spent, 1),
        "peak MB": round(peak),
        "largest process MB": round(most),
        "phases": ", ".join(f"{phase} {spent:.1f}" for phase, spent in report["seconds"].items()),
        **_shape(path),
        "file": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def _start(how: str, catalog: Path, path: Path, work: Path | None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.sharded", how, str(catalog), str(path)]
    return subprocess.Popen(
        [*command, str(work or ""), json.dumps(CUT)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _megabytes(process: int) -> Iterator[float]:
    """Yield the memory of a process and its children, counting shared pages once."""
    waiting = [process]
    while waiting:
        place = Path(f"/proc/{waiting.pop()}")
        try:
            lines = (place / "smaps_rollup").read_text().splitlines()
            for thread in (place / "task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
        except (OSError, ValueError):
            continue  # It has just ended, or this system does not tell.
        yield sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _shape(path: Path) -> dict[str, Any]:
    with ItemTree.open(path) as tree:
        query = "SELECT count(*), sum(size < ?), max(size), max(depth) FROM node WHERE leaf"
        ((leaves, tiny, largest, depth),) = tree.rows(query, (TINY,))
        ((widest,),) = tree.rows(
            "SELECT max(n) FROM (SELECT count(*) AS n FROM node WHERE parent > 1 GROUP BY parent)"
        )
        return {
            "leaves": leaves,
            "tiny": tiny,
            "largest leaf": largest,
            "most children": widest,
            "depth": depth,
            "breaches": len(list(find_breaches(tree))),
        }


# Kills


def _killed(
    engines: Sequence[str], catalog: Path, folder: Path, expected: str
) -> Iterator[dict[str, Any]]:
    """Kill builds again and again, and let each resume in its work folder."""
    for how in engines[1:]:
        work, path = folder / f"{how}.work", folder / f"{how} killed.tree"
        finished: dict[str, int] = {}
        started = time.perf_counter()
        kills = 0
        for name in KILLS:
            kills += _kill_after(work / f"{name}.done", _start(how, catalog, path, work))
            finished = _finished(work) | finished
        everything = work / "cells.done"
        with _start(how, catalog, path, work) as process:
            while process.poll() is None and not _all_grown(work, everything):
                time.sleep(SAMPLE_SECONDS)
            in_the_merge = _end(process)
        finished = _finished(work) | finished
        assert not (in_the_merge and path.exists())
        with _start(how, catalog, path, work) as process:
            assert process.wait() == 0
        after = _finished(work)
        row = {
            "set": LARGE,
            "built": f"{how}, killed {kills + in_the_merge} times",
            "seconds": round(time.perf_counter() - started, 1),
            "finished when killed": len(finished),
            "done twice": sum(after[name] != when for name, when in finished.items()),
            **_shape(path),
            "file": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        print(row, row["file"] == expected, flush=True)
        yield row


def _kill_after(marker: Path, process: subprocess.Popen[str]) -> bool:
    with process:
        while process.poll() is None and not marker.exists():
            time.sleep(SAMPLE_SECONDS / 10)
        return _end(process)


def _end(process: subprocess.Popen[str]) -> bool:
    """Kill the build process alone, and return whether it was still running.

    Its children must end by themselves, or do no harm.
    """
    process.send_signal(signal.SIGKILL)
    return process.wait() < 0


def _all_grown(work: Path, plan: Path) -> bool:
    if not plan.exists():
        return False
    groups = json.loads(plan.read_bytes())["groups"]
    return all((work / f"cell-{number:05}.done").exists() for number in range(len(groups)))


def _finished(work: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in work.glob("*.done")}


# What walks find


def _add_neighbours(rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """Add how many of an item's nearest items are in the leaves its walk opens."""
    with ItemTree.open(folder / "in memory.tree") as tree:
        chance = random.Random(SEED)
        queries = sorted(chance.sample(range(len(tree)), QUERIES))
        everything = tree.item_matrix(range(len(tree)))
        wanted = {}
        for query in queries:
            near = np.asarray((everything @ everything[query].T).todense()).ravel()
            near[query] = -1
            wanted[query] = set(np.argsort(-near, kind="stable")[:NEAREST].tolist())
        del everything
    for row, name in zip(rows[:2], ("in memory", "local"), strict=True):
        with ItemTree.open(folder / f"{name}.tree") as tree:
            for leaves in LEAVES:
                recommender = Recommender(tree)
                held: list[float] = []
                kept: list[float] = []
                for query in queries:
                    item = tree.items_by_number([query])[query].item
                    shown = _in_leaves(recommender, tree, [item.id], leaves)
                    held.append(len(wanted[query] & shown) / NEAREST)
                    kept.append(len(shown))
                row[f"nearest in {leaves} leaves"] = mean(held)
                row[f"items in {leaves} leaves"] = round(sum(kept) / len(kept), 1)
        print(row, flush=True)


def _in_leaves(
    recommender: Recommender, tree: ItemTree, history: list[str], leaves: int
) -> set[int]:
    made = recommender.recommend(history, options=Options(leaves=leaves))
    opened = [event.opened.id for event in made.opened if event.opened.is_leaf]
    return {each.number for each in tree.items_in(opened)}


def _with_people(data: Path) -> Iterator[dict[str, Any]]:
    """Yield how often a held-out item is in the opened leaves, over several seeds."""
    found = load_with_people(data, WITH_PEOPLE, PEOPLE)
    builders: dict[str, Callable[[Path, BuildOptions], object]] = {
        "in memory": lambda path, options: build(found.items, path, options),
        "local": lambda path, options: build(
            found.items, path, options, sharding=Sharding(backend="local", **SMALL)
        ),
    }
    for how, builder in builders.items():
        held: dict[int, list[list[bool]]] = {leaves: [] for leaves in LEAVES}
        kept = dict.fromkeys(LEAVES, 0)
        with tempfile.TemporaryDirectory() as folder:
            for seed in SEEDS:
                path = Path(folder) / f"{seed}.tree"
                builder(path, BuildOptions(workers=1, seed=seed))
                with ItemTree.open(path) as tree:
                    recommender = Recommender(tree)
                    for leaves in LEAVES:
                        held[leaves].append([])
                        for person in found.people:
                            ids = [found.items[place].id for place in person.history]
                            shown = _in_leaves(recommender, tree, ids, leaves)
                            shown -= set(person.history)
                            held[leaves][-1].append(person.target in shown)
                            kept[leaves] += len(shown)
            row: dict[str, Any] = {"set": WITH_PEOPLE, "built": f"{how}, {len(SEEDS)} seeds"}
            row |= _shape(path)
        for leaves in LEAVES:
            asked = len(found.people) * len(SEEDS)
            # People are resampled, each with what all seeds found.
            row[f"held out in {leaves} leaves"] = mean(np.mean(held[leaves], axis=0))
            row[f"items in {leaves} leaves"] = round(kept[leaves] / asked, 1)
        print(row, flush=True)
        yield row


def _main() -> None:
    how, catalog, path, work, cut = sys.argv[1:]
    options = BuildOptions(workers=WORKERS, overwrite=True)
    reader = read_catalog(catalog)
    if how == "in memory":
        report = build(reader, path, options)
    else:
        kept = Path(work) if work else None
        sharding = Sharding(kept, how, **json.loads(cut))
        report = build(reader, path, options, sharding=sharding)
    print(json.dumps({"seconds": report.seconds}), flush=True)


if __name__ == "__main__":
    _main()
