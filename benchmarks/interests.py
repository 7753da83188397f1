"""Should a person's interests be walked separately or together?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import SEED, load_with_people
from benchmarks.intervals import mean
from benchmarks.results import save
from benchmarks.synthetic import SyntheticCatalog, item_id
from unillmrec import BuildOptions, ItemTree, Options, Recommender, SimilarityJudge, build
from unillmrec.items import Item
from unillmrec.judge import CONTRACTS, EstimatingJudge, PromptWriter
from unillmrec.judge.registry import AT_ONCE
from unillmrec.prompts import PromptSet
from unillmrec.tokens import TokenCounter

QUESTION = __doc__
SETS = ("ml-1m", "amazon-beauty", "amazon-games")
SIZES = (10_000,)
PEOPLE = 100
BRANCHES = (4, 9)
SERVED = 4

# Of a person's candidates, by id: whether what was sought is there.
Sought = Callable[[Sequence[str]], bool]


def run(data: Path) -> None:
    """Walk together and separately with as many branches, on real and synthetic catalogs."""
    rows: list[dict[str, Any]] = []
    for name in SETS:
        found = load_with_people(data, name, PEOPLE)
        ids = [item.id for item in found.items]
        people = [
            ([ids[place] for place in each.history], ids[each.target].__eq__)
            for each in found.people
        ]
        sought: list[tuple[list[str], Sought]] = [
            (history, lambda made, is_target=is_target: any(map(is_target, made)))
            for history, is_target in people
        ]
        rows += _measured(name, found.items, sought)
    for size in SIZES:
        rows += _measured(f"synthetic {size:,}", *_synthetic(size))
    save("interests", QUESTION, rows, seed=SEED, judge="embedded similarity judge, no model")


def _synthetic(size: int) -> tuple[list[Item], list[tuple[list[str], Sought]]]:
    catalog = SyntheticCatalog(size)
    topics = catalog.topics()
    people: list[tuple[list[str], Sought]] = []
    for person in catalog.people(PEOPLE):
        if len(person.topics) < 2:
            continue

        def both(made: Sequence[str], liked: frozenset[int] = person.topics) -> bool:
            of = topics[[int(each[1:]) for each in made]]
            return all(np.count_nonzero(of == topic) >= SERVED for topic in liked)

        people.append(([item_id(number) for number in person.history], both))
    return list(catalog.items()), people


def _measured(
    name: str, items: list[Item], people: Sequence[tuple[list[str], Sought]]
) -> list[dict[str, Any]]:
    writer = PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model("gpt-4o"))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "measured.tree"
        build(items, path, BuildOptions(workers=1))
        with ItemTree.open(path) as tree:
            judge = EstimatingJudge(SimilarityJudge(tree), writer)
            judge.at_once = AT_ONCE
            for interests in ("together", "apart"):
                for branches in BRANCHES:
                    options = Options(branches=branches, interests=interests)  # type: ignore[arg-type]
                    made = [
                        Recommender(tree, judge).recommend(h, options=options) for h, _ in people
                    ]
                    hits = [
                        is_there(m.candidates)
                        for m, (_, is_there) in zip(made, people, strict=True)
                    ]
                    row = {
                        "set": name,
                        "interests": interests,
                        "branches": branches,
                        "people": len(people),
                        "with two": sum(len(m.profile.interests) > 1 for m in made),
                        "found": mean(hits, 2),
                        "tokens": mean([m.total_usage().estimated_prompt for m in made], 0),
                        "calls": round(float(np.mean([m.total_usage().calls for m in made])), 1),
                    }
                    rows.append(row)
                    print(row, flush=True)
    return rows
