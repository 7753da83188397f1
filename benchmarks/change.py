"""Does a tree whose catalog was replaced walk as well as a fresh one, and what do changes cost?"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.results import save

QUESTION = __doc__
SIZE = 20_000
SEED = 0
SHARES = (0.2, 0.5, 1.0)
STEP = 200
PEOPLE = 120
SUMMARY = "a line that a model might have written"
TINY = 5


def run(data: Path) -> None:
    """Replace a part of a catalog step by step, and compare with building it anew."""
    rows = []
    for share in SHARES:
        with tempfile.TemporaryDirectory(prefix="change-", dir=data) as name:
            rows.append(Churn(Path(name), SIZE, SEED, PEOPLE).replaced(share))
            print(rows[-1], flush=True)
    note = "the constants were chosen on other catalogs, see churn"
    save("change", QUESTION, rows, seed=SEED, items=SIZE, step=STEP, people=PEOPLE, note=note)


class Churn:
    """A catalog that turns into one of other topics, and people who walk it afterwards."""

    def __init__(self, folder: Path, size: int, seed: int, people: int) -> None:
        from benchmarks.synthetic import SyntheticCatalog
        from unillmrec import Item

        self.folder = folder
        self.size, self.seed, self.people = size, seed, people
        self.new = list(SyntheticCatalog(size, seed).items())
        # Another seed has other topics, with words of their own.
        self.old = [
            Item(f"old-{item.id}", item.title, item.text, item.path, item.attributes)
            for item in SyntheticCatalog(size, seed + 1).items()
        ]

    def replaced(self, share: float) -> dict[str, Any]:
        """Replace so much of the catalog, and compare."""
        from benchmarks.walk_recall import walk_recall
        from unillmrec import BuildOptions, build
        from unillmrec.indexing.applying import ChangeReport
        from unillmrec.indexing.changing import TreeChanger
        from unillmrec.store.checking import breaches

        count = int(self.size * share)
        path, fresh = self.folder / f"{share}.tree", self.folder / f"{share}-fresh.tree"
        stay, come = self.new[: self.size - count], self.new[self.size - count :]
        build([*stay, *self.old[:count]], path, BuildOptions(workers=1))
        _describe(path)
        report = ChangeReport()
        cpu = time.process_time()
        with TreeChanger(path) as changer:
            for place in range(0, count, STEP):
                gone = self.old[:count][place : place + STEP]
                report += changer.delete([item.id for item in gone])
                report += changer.insert(come[place : place + STEP])
            cpu = time.process_time() - cpu
            assert not list(breaches(changer.tree))
        shape, due = _shape(path), _due(path)
        build(_in_file_order(path), fresh, BuildOptions(workers=1))
        changed = asdict(walk_recall(path, self.size, self.seed, self.people))
        anew = asdict(walk_recall(fresh, self.size, self.seed, self.people))
        return {
            "replaced %": round(100 * share),
            "recall changed": changed["of_topics"],
            "recall fresh": anew["of_topics"],
            "share of fresh": round(changed["of_topics"] / anew["of_topics"], 3),
            "likeness changed": changed["likeness"],
            "likeness fresh": anew["likeness"],
            "nodes opened": changed["nodes"],
            "nodes opened fresh": anew["nodes"],
            "cpu ms a change": round(1000 * cpu / report.changed, 2),
            **shape,
            "summaries due a change": round(due / report.changed, 3),
            "splits": report.splits,
            "merges": report.merges,
            "regrown": report.regrown,
        }


def _shape(path: Path) -> dict[str, float]:
    """Return how deep the tree is and how its leaves are filled, which must be within bounds."""
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
        placed = tree.items_numbered(numbers)
        return [placed[number].item for number in numbers]


def _describe(path: Path) -> None:
    """Give every node a summary, as if a model had written it."""
    with sqlite3.connect(path) as db:
        db.execute(
            "UPDATE node SET description = json_set(description, '$.summary', ?)"
            " WHERE parent IS NOT NULL",
            (SUMMARY,),
        )


def _due(path: Path) -> int:
    """Return how many nodes have no summary any more, or one that is out of date."""
    with sqlite3.connect(path) as db:
        (due,) = db.execute(
            "SELECT count(*) FROM node WHERE parent IS NOT NULL AND"
            " (json_extract(description, '$.summary') = '' OR stale > 0.2 * size)"
        ).fetchone()
    return int(due)
