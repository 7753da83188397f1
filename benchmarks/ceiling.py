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
from unillmrec import BuildOptions, ItemTree, Options, Recommender, SimilarityJudge, build
from unillmrec.judge import CONTRACTS, EstimatingJudge, PromptWriter
from unillmrec.prompts import PromptSet
from unillmrec.tokens import TokenCounter
from unillmrec.tree.vectors import similarities

QUESTION = __doc__
PEOPLE = 600
# Branches that are opened (None: as many as by default), and leaves that are gathered.
WALKS = ((None, 5), (None, 30), (13, 5), (13, 30), (21, 30))
SHOWN = 72


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
                for branches, leaves in WALKS:
                    rows.append(
                        {
                            "set": name,
                            "items": report.items,
                            "leaves": report.leaves,
                            "tiny": int(report.smallest_leaf < 5),
                            "depth": report.depth,
                            "build seconds": round(seconds, 2),
                            "branches": branches or "default",
                            "leaves read": leaves,
                            **_measured(found, tree, branches, leaves),
                        }
                    )
                    print(rows[-1], flush=True)
    save("ceiling", QUESTION, rows, seed=42, judge="embedded similarity judge, no model")


def _measured(found: DataSet, tree: ItemTree, branches: int | None, leaves: int) -> dict[str, Any]:
    everything = tree.item_vectors(range(len(tree)))
    in_leaves = flat = in_shown = flat_shown = candidates = kept = opened = 0
    # Priced like a model, the judge walks no further than one would.
    writer = PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model("gpt-4o"))
    recommender = Recommender(tree, EstimatingJudge(SimilarityJudge(tree), writer))
    options = Options(branches=branches, leaves=leaves, shown=SHOWN)
    for person in found.people:
        ids = [found.items[place].id for place in person.history]
        made = recommender.recommend(ids, options=options)
        read = [event.opened.id for event in made.opened if event.opened.is_leaf]
        seen = set(person.history)
        numbers = [each.number for each in tree.items_in(read) if each.number not in seen]
        assert made.profile.taste is not None
        near = similarities(made.profile.taste, everything)
        rank = _rank(near, person.target, person.history)
        shown = sorted(numbers, key=lambda number: -near[number])[:SHOWN]
        opened += len(made.opened) - len(read)
        kept += len(numbers)
        in_leaves += person.target in numbers
        flat += rank < len(numbers)
        in_shown += person.target in shown
        flat_shown += rank < SHOWN
        candidates += found.items[person.target].id in made.candidates
    people = len(found.people)
    return {
        "people": people,
        "branches opened": round(opened / people, 1),
        "items kept": round(kept / people, 1),
        "in leaves": round(in_leaves / people, 4),
        "in flat top": round(flat / people, 4),
        "share of flat": round(in_leaves / max(flat, 1), 3),
        "among 72 shown": round(in_shown / people, 4),
        "in flat top 72": round(flat_shown / people, 4),
        "share of flat, shown": round(in_shown / max(flat_shown, 1), 3),
        "among 30 candidates": round(candidates / people, 4),
    }


def _rank(scores: np.ndarray, target: int, history: Sequence[int]) -> int:
    scores = scores.copy()
    scores[list(history)] = -1
    return int((scores > scores[target]).sum())
