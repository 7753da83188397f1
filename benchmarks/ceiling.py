"""What does the tree cost before anybody is asked: is the held-out item in the opened leaves?"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import WITH_PEOPLE, DataSet, load_with_people
from benchmarks.results import save
from unillmrec import BuildOptions, ItemTree, Options, Recommender, build
from unillmrec.tree.vectors import similarities

QUESTION = __doc__
PEOPLE = 600
LEAVES = (5, 12, 30)


def run(data: Path) -> None:
    """Compare the leaves that the embedded judge opens with the flat nearest items."""
    rows: list[dict[str, Any]] = []
    for name in WITH_PEOPLE:
        found = load_with_people(data, name, PEOPLE)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "measured.tree"
            started = time.perf_counter()
            report = build(found.items, path, BuildOptions(workers=1))
            seconds = time.perf_counter() - started
            with ItemTree.open(path) as tree:
                for leaves in LEAVES:
                    rows.append(
                        {
                            "set": name,
                            "items": report.items,
                            "leaves": report.leaves,
                            "tiny": int(report.smallest_leaf < 5),
                            "depth": report.depth,
                            "build seconds": round(seconds, 2),
                            "opened": leaves,
                            **_measured(found, tree, leaves),
                        }
                    )
                    print(rows[-1], flush=True)
    save("ceiling", QUESTION, rows, seed=42, judge="embedded similarity judge, no model")


def _measured(found: DataSet, tree: ItemTree, leaves: int) -> dict[str, Any]:
    everything = tree.item_vectors(range(len(tree)))
    in_leaves, flat, kept, candidates = 0, 0, 0, 0
    recommender = Recommender(tree)
    options = Options(leaves=leaves)
    for person in found.people:
        ids = [found.items[place].id for place in person.history]
        made = recommender.recommend(ids, options=options)
        opened = [event.opened.id for event in made.opened if event.opened.is_leaf]
        seen = set(person.history)
        shown = [each.number for each in tree.items_in(opened) if each.number not in seen]
        kept += len(shown)
        in_leaves += person.target in shown
        candidates += found.items[person.target].id in made.candidates
        taste = made.profile.taste
        assert taste is not None
        flat += _rank(similarities(taste, everything), person.target, person.history) < len(shown)
    people = len(found.people)
    return {
        "people": people,
        "items kept": round(kept / people, 1),
        "in leaves": round(in_leaves / people, 4),
        "in flat top": round(flat / people, 4),
        "share of flat": round(in_leaves / max(flat, 1), 3),
        "among 30 candidates": round(candidates / people, 4),
    }


def _rank(scores: np.ndarray, target: int, history: Sequence[int]) -> int:
    scores = scores.copy()
    scores[list(history)] = -1
    return int((scores > scores[target]).sum())
