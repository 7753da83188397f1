"""Is a tree as good as a fresh one after its catalog was replaced, and what do changes cost?"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.datasets import load, load_with_people
from benchmarks.results import save

QUESTION = __doc__
SIZE = 8_000
# Other catalogs than those on which the rules of upkeep were chosen, see churn.
SEEDS = (201, 202, 203, 204, 205)
SEEDS_OF_PARTS = SEEDS[:2]
# Real catalogs, of which one half, by category, is replaced by the other.
REAL = ("amazon-beauty", "netflix-titles")
PEOPLED = ("amazon-beauty",)
STEP = 200
PEOPLE = 120
# A walk that reads a quarter of the leaves that one does by default shows sooner what a tree lost.
WALKS = {"30 leaves": None, "8 leaves": 8}
SUMMARY = "a line that a model might have written"
TINY = 5
# Student's t for 95 %, by how many seeds there are.
STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}

Walks = Callable[[Path, int | None], tuple[float, float, float]]
"""Let people walk a tree: how much they find, how like it is to the best, how much they open."""


def run(data: Path) -> None:
    """Replace catalogs step by step, and compare with fresh builds."""
    rows: list[dict[str, Any]] = []
    cases = [(seed, 1.0) for seed in SEEDS]
    cases += [(seed, share) for share in (0.2, 0.5) for seed in SEEDS_OF_PARTS]
    with tempfile.TemporaryDirectory(prefix="change-", dir=data) as name:
        for seed, share in cases:
            rows += synthetic(Path(name), SIZE, seed, PEOPLE, share)
            print(rows[-1], flush=True)
        for each in REAL:
            rows += real(Path(name), data, each)
            print(rows[-1], flush=True)
    rows += _means(rows)
    note = "recall is of a person's topics, or in real catalogs of the nearest twenty there are"
    save("change", QUESTION, rows, seed=SEEDS, items=SIZE, step=STEP, people=PEOPLE, note=note)


def synthetic(
    folder: Path, size: int, seed: int, people: int, share: float
) -> list[dict[str, Any]]:
    """Replace a share of a synthetic catalog by items of other topics."""
    from benchmarks.synthetic import SyntheticCatalog
    from benchmarks.walk_recall import walk_recall
    from unillmrec import Item

    new = list(SyntheticCatalog(size, seed).items())
    # Another seed has other topics, with words of their own.
    old = [
        Item(f"old-{item.id}", item.title, item.text, item.path, item.attributes)
        for item in SyntheticCatalog(size, seed + 1_000).items()
    ]
    count = int(size * share)

    def walks(path: Path, leaves: int | None) -> tuple[float, float, float]:
        walked = walk_recall(path, size, seed, people, leaves=leaves)
        return walked.of_topics, walked.similarity, walked.nodes

    change = Change(new[: size - count], old[:count], new[size - count :])
    head = {"catalog": f"synthetic, seed {seed}", "replaced %": round(100 * share)}
    return [head | row for row in change.made(folder, walks)]


def real(folder: Path, data: Path, name: str) -> list[dict[str, Any]]:
    """Replace one half of a real catalog by the other."""
    from benchmarks.walk_recall import found_of_nearest

    loaded = load_with_people(data, name, 4_000) if name in PEOPLED else load(data, name)
    items = loaded.items
    order = _by_category(items)
    half = len(items) // 2
    new = set(order[half:])
    histories = [
        [items[place].id for place in person.history if place in new][-6:]
        for person in loaded.people
    ]
    histories = [each for each in histories if len(each) > 1]
    # Where nobody is known, somebody likes what stands together in the catalog's own order.
    if not histories:
        steps = range(half, len(order) - 3, max(1, half // PEOPLE))
        histories = [[items[order[at + more]].id for more in range(3)] for at in steps]

    def walks(path: Path, leaves: int | None) -> tuple[float, float, float]:
        return found_of_nearest(path, histories[:PEOPLE], leaves)

    change = Change([], [items[at] for at in order[:half]], [items[at] for at in order[half:]])
    head = {"catalog": f"{name}, by category", "replaced %": 100}
    return [head | row for row in change.made(folder, walks)]


def _by_category(items: Sequence[Any]) -> list[int]:
    """Return item positions ordered by the most common category of each item."""
    report = [item.attributes.get("categories", ()) for item in items]
    counts = Counter(each for categories in report for each in categories)
    main = [
        max((each for each in categories), key=lambda each: (counts[each], each), default="")
        for categories in report
    ]
    return sorted(range(len(items)), key=lambda place: (main[place], items[place].id))


@dataclass(frozen=True, slots=True)
class Change:
    """A catalog in which some items stay, and others are replaced."""

    stay: Sequence[Any]
    go: Sequence[Any]
    come: Sequence[Any]

    def made(self, folder: Path, walks: Walks) -> list[dict[str, Any]]:
        """Change a tree step by step; return each walk's quality relative to a fresh tree."""
        from unillmrec import BuildOptions, build
        from unillmrec.store.invariants import find_breaches
        from unillmrec.updating.applier import ChangeReport
        from unillmrec.updating.changer import TreeChanger

        path, fresh = folder / "changed.tree", folder / "fresh.tree"
        build([*self.stay, *self.go], path, BuildOptions(workers=1, overwrite=True))
        _describe(path)
        report = ChangeReport()
        cpu = time.process_time()
        with TreeChanger(path) as changer:
            for place in range(0, max(len(self.go), len(self.come)), STEP):
                report += changer.delete([item.id for item in self.go[place : place + STEP]])
                report += changer.insert(self.come[place : place + STEP])
            cpu = time.process_time() - cpu
            assert not list(find_breaches(changer.tree))
        report = {
            "cpu ms a change": round(1000 * cpu / report.changed, 2),
            **_shape(path),
            "summaries due a change": round(_due(path) / report.changed, 3),
            "splits": report.splits,
            "merges": report.merges,
            "regrown": report.regrown,
        }
        build(_in_file_order(path), fresh, BuildOptions(workers=1, overwrite=True))
        rows = [_compared(name, walks, path, fresh, leaves) for name, leaves in WALKS.items()]
        return [{**rows[0], **report}, *rows[1:]]


def _compared(
    name: str, walks: Walks, path: Path, fresh: Path, leaves: int | None
) -> dict[str, Any]:
    changed, fresh_values = walks(path, leaves), walks(fresh, leaves)
    return {
        "walk": name,
        "recall changed": changed[0],
        "recall fresh": fresh_values[0],
        "share of fresh": round(changed[0] / fresh_values[0], 3),
        "likeness changed": changed[1],
        "likeness fresh": fresh_values[1],
        "nodes opened": changed[2],
        "nodes opened fresh": fresh_values[2],
    }


def _means(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the mean ratio to a fresh tree over the seeds, with its 95 % interval."""
    groups: dict[tuple[int, str], list[float]] = {}
    for row in rows:
        if row["catalog"].startswith("synthetic"):
            groups.setdefault((row["replaced %"], row["walk"]), []).append(row["share of fresh"])
    means = []
    for (replaced, walk), shares in groups.items():
        mean = sum(shares) / len(shares)
        variance = sum((share - mean) ** 2 for share in shares) / (len(shares) - 1)
        around = STUDENT[len(shares)] * (variance / len(shares)) ** 0.5
        head = {"catalog": f"mean of {len(shares)} seeds", "replaced %": replaced, "walk": walk}
        means.append(head | {"share of fresh": f"{mean:.3f} ± {around:.3f}"})
    return means


def _shape(path: Path) -> dict[str, float]:
    """Return depth and leaf sizes of the tree, after checking them against the bounds."""
    with sqlite3.connect(path) as db:
        leaves, largest, tiny, depth = db.execute(
            "SELECT count(*), max(size), sum(size < ?), max(depth) FROM node WHERE leaf", (TINY,)
        ).fetchone()
    shape = {"depth": depth, "largest leaf": largest, "tiny %": round(100 * tiny / leaves, 2)}
    assert depth <= 5, shape
    assert largest <= 50, shape
    assert shape["tiny %"] < 0.5, shape
    return shape


def _in_file_order(path: Path) -> list[Any]:
    from unillmrec import ItemTree

    with ItemTree.open(path) as tree:
        numbers = [number for (number,) in tree.rows("SELECT number FROM item ORDER BY id")]
        placed = tree.items_by_number(numbers)
        return [placed[number].item for number in numbers]


def _describe(path: Path) -> None:
    """Give every node a summary, like one from a model."""
    with sqlite3.connect(path) as db:
        db.execute(
            "UPDATE node SET description = json_set(description, '$.summary', ?)"
            " WHERE parent IS NOT NULL",
            (SUMMARY,),
        )


def _due(path: Path) -> int:
    """Count the nodes whose summary is missing or out of date."""
    with sqlite3.connect(path) as db:
        (due,) = db.execute(
            "SELECT count(*) FROM node WHERE parent IS NOT NULL AND"
            " (json_extract(description, '$.summary') = '' OR stale > 0.2 * size)"
        ).fetchone()
    return int(due)
