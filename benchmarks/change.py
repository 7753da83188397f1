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
PEOPLE = 60
SINGLES = 100
SUMMARY = "a line that a model might have written"


def run(data: Path) -> None:
    """Replace a part of a catalog step by step, and compare with building it anew."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="change-", dir=data) as name:
        for share in SHARES:
            rows.append(_replaced(Path(name), share))
            print(rows[-1], flush=True)
    save("change", QUESTION, rows, seed=SEED, items=SIZE, step=STEP, people=PEOPLE)


def _replaced(folder: Path, share: float) -> dict[str, Any]:
    from benchmarks.synthetic import SyntheticCatalog
    from benchmarks.walk_recall import walk_recall
    from unillmrec import BuildOptions, Item, build
    from unillmrec.indexing.applying import ChangeReport
    from unillmrec.indexing.changing import TreeChanger
    from unillmrec.store.checking import breaches

    count = int(SIZE * share)
    new = list(SyntheticCatalog(SIZE, SEED).items())
    # Another seed has other topics, with words of their own.
    old = [
        Item(f"old-{item.id}", item.title, item.text, item.path, item.attributes)
        for item in SyntheticCatalog(SIZE, SEED + 1).items()
    ]
    first = [*new[: SIZE - count], *old[:count]]
    path, fresh = folder / f"{share}.tree", folder / f"{share}-fresh.tree"
    build(first, path, BuildOptions(workers=1))
    _describe(path)
    report = ChangeReport()
    started = time.perf_counter()
    with TreeChanger(path) as changer:
        for place in range(0, count, STEP):
            report += changer.delete([item.id for item in old[:count][place : place + STEP]])
            report += changer.insert(new[SIZE - count :][place : place + STEP])
        seconds = time.perf_counter() - started
        assert not list(breaches(changer.tree))
        singles = _singles(changer, old)
    due = _due(path)
    build(_in_file_order(path), fresh, BuildOptions(workers=1))
    changed = asdict(walk_recall(path, SIZE, SEED, PEOPLE))
    anew = asdict(walk_recall(fresh, SIZE, SEED, PEOPLE))
    return {
        "replaced %": round(100 * share),
        "recall changed": changed["of_topics"],
        "recall fresh": anew["of_topics"],
        "likeness changed": changed["likeness"],
        "likeness fresh": anew["likeness"],
        "nodes opened": changed["nodes"],
        "nodes opened fresh": anew["nodes"],
        "ms a change": round(1000 * seconds / report.changed, 2),
        **singles,
        "summaries due a change": round(due / report.changed, 3),
        "splits": report.splits,
        "merges": report.merges,
        "regrown": report.regrown,
    }


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


def _singles(changer: Any, items: list[Any]) -> dict[str, float]:
    """Return how long single changes take, with their commits."""
    taken: dict[str, list[float]] = {"insert": [], "delete": []}
    for item in items[-SINGLES:]:
        from unillmrec import Item

        one = Item(f"single-{item.id}", item.title, item.text, item.path, item.attributes)
        for kind, thing in (("insert", one), ("delete", one.id)):
            started = time.perf_counter()
            getattr(changer, kind)([thing])
            taken[kind].append(time.perf_counter() - started)
    return {
        f"ms {kind}": round(1000 * sorted(times)[len(times) // 2], 2)
        for kind, times in taken.items()
    }
