"""Which share of held-out items do the opened leaves contain, before any ranking?"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import SEED, WITH_PEOPLE, DataSet, load_with_people
from benchmarks.intervals import format_estimate, mean
from benchmarks.results import save
from unillmrec import BuildOptions, ItemTree, Options, Recommender, SimilarityJudge, build
from unillmrec.evaluation.statistics import Bootstrap
from unillmrec.judge import CONTRACTS, EstimatingJudge, PromptWriter
from unillmrec.prompts import PromptSet
from unillmrec.tokens import TokenCounter
from unillmrec.tree.vectors import similarities

QUESTION = __doc__
PEOPLE = 300
# Branches that are opened (None: as many as by default), and leaves that are gathered.
WALKS = ((None, 5), (None, 30), (13, 5), (13, 30), (21, 30))
SHOWN = 72
COUNTS = ("branches opened", "items kept")


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
    save("ceiling", QUESTION, rows, seed=SEED, judge="embedded similarity judge, no model")


def _measured(found: DataSet, tree: ItemTree, branches: int | None, leaves: int) -> dict[str, Any]:
    everything = tree.item_vectors(range(len(tree)))
    people: list[dict[str, Any]] = []
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
        assert made.profile.vector is not None
        near = similarities(made.profile.vector, everything)
        rank = _rank(near, person.target, person.history)
        shown = sorted(numbers, key=lambda number: -near[number])[:SHOWN]
        people.append(
            {
                "branches opened": len(made.opened) - len(read),
                "items kept": len(numbers),
                "in leaves": person.target in numbers,
                "in flat top": rank < len(numbers),
                f"among {SHOWN} shown": person.target in shown,
                f"in flat top {SHOWN}": rank < SHOWN,
                "among 30 candidates": found.items[person.target].id in made.candidates,
            }
        )
    columns = {name: np.array([each[name] for each in people]) for name in people[0]}
    bootstrap = Bootstrap(len(people))
    return {
        "people": len(people),
        **{
            name: round(float(values.mean()), 1) if name in COUNTS else mean(values)
            for name, values in columns.items()
        },
        **{
            name: format_estimate(bootstrap.ratio(columns[walked], columns[flat]), 2)
            for name, walked, flat in (
                ("share of flat", "in leaves", "in flat top"),
                ("share of flat, shown", f"among {SHOWN} shown", f"in flat top {SHOWN}"),
            )
        },
    }


def _rank(scores: np.ndarray, target: int, history: Sequence[int]) -> int:
    scores = scores.copy()
    scores[list(history)] = -1
    return int((scores > scores[target]).sum())
