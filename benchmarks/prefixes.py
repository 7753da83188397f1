"""How much of many people's prompts can a prefix cache serve, by layout and order?"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import datasets
from benchmarks.results import save
from unillmrec import ItemTree, Recommender
from unillmrec.building import BuildOptions, build
from unillmrec.judge import CONTRACTS, EstimatingJudge, PromptWriter, SimilarityJudge
from unillmrec.judge.prompting.prompt_writer import Layout
from unillmrec.planning.shared_prefixes import Messages, measure_shared_prefix
from unillmrec.prompts import PromptSet
from unillmrec.stages import Person, order_by_path
from unillmrec.tokens import TokenCounter

QUESTION = (
    "What share of the prompt tokens of a batch can a prefix cache serve: person or choices first, "
    "people in random order or in that of their way down the tree?"
)
SETS = {"amazon-beauty": 300, "ml-1m": 300, "catalog-mixed": 1000}
LAYOUTS: tuple[Layout, ...] = ("person-first", "choices-first")
# One graphics card's cache beside a mid-sized model; and none, as at hosted services.
CACHE = 100_000
HOSTED_MINIMUM = 1_024


def run(data: Path) -> None:
    """Walk for many people with the embedded judge, and compare their prompts."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, count in SETS.items():
            found = datasets.load(data, name)
            path = Path(folder) / f"{name}.tree"
            build(found.items, path, BuildOptions(workers=1))
            with ItemTree.open(path) as tree:
                people = _people(data, name, tree, count)
                for layout in LAYOUTS:
                    rows += _measured(name, tree, people, layout)
    save(
        "prefixes",
        QUESTION,
        rows,
        seed=datasets.SEED,
        judge="embedded similarity judge, no model; prompts written as for one, none sent",
        cache_tokens=CACHE,
        minimum_tokens=HOSTED_MINIMUM,
    )


def _people(data: Path, name: str, tree: ItemTree, count: int) -> list[Person]:
    if name in datasets.WITH_PEOPLE:
        found = datasets.load_with_people(data, name, count)
        ids = [item.id for item in found.items]
        return [Person(tuple(ids[place] for place in each.history[-30:])) for each in found.people]
    return _invented(tree, count)


def _invented(tree: ItemTree, count: int) -> list[Person]:
    """Return people with four items of one leaf and two of another."""
    chance = random.Random(datasets.SEED)
    leaves = [leaf for (leaf,) in tree.rows("SELECT DISTINCT leaf FROM item ORDER BY leaf")]
    people = []
    for _ in range(count):
        history: list[str] = []
        for leaf, most in zip(chance.sample(leaves, 2), (2, 4), strict=True):
            items = [each.item.id for each in tree.items_in([leaf])]
            history += chance.sample(items, min(most, len(items)))
        people.append(Person(tuple(history)))
    return people


def _measured(
    name: str, tree: ItemTree, people: Sequence[Person], layout: Layout
) -> list[dict[str, Any]]:
    counter = TokenCounter.for_model("gpt-4o")
    writer = PromptWriter(PromptSet.load(CONTRACTS), counter, layout=layout)
    recommender = Recommender(tree, EstimatingJudge(SimilarityJudge(tree), writer))
    asked: list[list[Messages]] = []
    for person in people:
        prompts: list[Messages] = []
        recommender.recommend(
            person.history, on_call=lambda _, call, kept=prompts: kept.append(call.messages)
        )
        asked.append(prompts)
    shuffled = list(range(len(people)))
    random.Random(datasets.SEED).shuffle(shuffled)
    rows = []
    for order_name, order in (("random", shuffled), ("path", order_by_path(tree, people))):
        prompts = [each for place in order for each in asked[place]]
        small = measure_shared_prefix(prompts, counter, capacity=CACHE)
        whole = measure_shared_prefix(prompts, counter)
        hosted = measure_shared_prefix(prompts, counter, minimum=HOSTED_MINIMUM)
        rows.append(
            {
                "set": name,
                "items": len(tree),
                "people": len(people),
                "layout": layout,
                "order": order_name,
                "prompt tokens a person": round(whole.prompt / len(people)),
                "served by 100k tokens": f"{small.share:.0%}",
                "served without limit": f"{whole.share:.0%}",
                "served from 1,024 on": f"{hosted.share:.0%}",
            }
        )
        print(rows[-1])
    return rows
