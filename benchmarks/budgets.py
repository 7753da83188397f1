"""Is a budget ever exceeded, or a list ever short, whatever the budget and the faults?"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.results import save
from benchmarks.synthetic import SyntheticCatalog, item_id
from unillmrec import BuildOptions, ItemTree, LanguageModelJudge, Options, Recommender, build
from unillmrec.budget import Budget
from unillmrec.endpoint import OpenAIEndpoint, RetryPolicy
from unillmrec.judge import CONTRACTS, PromptWriter, SimilarityJudge
from unillmrec.prompts import PromptSet
from unillmrec.testing import FakeServer, Fault
from unillmrec.testing.faults import NAMED
from unillmrec.tokens import TokenCounter

QUESTION = __doc__
RUNS = 1_000
ITEMS = 3_000
WALKS = ("auto", "best-first", "beam", "depth-first", "hybrid", "retrieve")
# These only take time, or are user mistakes, which are reported and not worked around.
LEFT_OUT = {"slow", "drip", "quota", "html", "429-wait", "429-date"}
SEED = 0


def run(data: Path) -> None:
    """Recommend a thousand times with random budgets from a server with random faults."""
    ended: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tree"
        catalog = SyntheticCatalog(ITEMS, SEED)
        build(catalog.items(), path, BuildOptions(seed=SEED))
        people = [[item_id(number) for number in each.history] for each in catalog.people(50)]
        with ItemTree.open(path) as tree:
            for number in range(RUNS):
                how, what = _tried(tree, people[number % len(people)], number)
                ended[how or "whole"] += 1
                wrong.update(what)
    rows: list[dict[str, Any]] = [{"ended": how, "runs": count} for how, count in ended.items()]
    rows += [
        {"ended": f"wrong: {what}", "runs": wrong[what]}
        for what in ("tokens passed", "calls passed", "list short", "seen or unknown", "error")
    ]
    save("budgets", QUESTION, rows, seed=SEED, runs=RUNS, judge="the fake server, no model")


def _tried(tree: ItemTree, history: list[str], number: int) -> tuple[str, list[str]]:
    """Return how one recommendation ended, and any violation."""
    chance = random.Random(f"{SEED}:{number}")
    budget = Budget(
        tokens=chance.choice([None, chance.randrange(15_000)]),
        calls=chance.choice([None, chance.randrange(15)]),
        seconds=60.0,
    )
    rate = chance.choice([0.0, 0.1, 0.5])
    names = sorted(NAMED.keys() - LEFT_OUT)

    def fault(place: int) -> Fault | None:
        return NAMED[chance.choice(names)]() if chance.random() < rate else None

    options = Options(walk=chance.choice(WALKS))  # type: ignore[arg-type]
    writer = PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model(None))
    with (
        FakeServer(faults=fault, seed=number, keep=False) as server,
        OpenAIEndpoint(
            server.model,
            base_url=server.base_url,
            retry_policy=RetryPolicy(first_wait_seconds=0.001, longest_wait_seconds=0.002),
        ) as endpoint,
    ):
        judge = LanguageModelJudge(endpoint, writer, SimilarityJudge(tree))
        try:
            made = Recommender(tree, judge).recommend(history, options=options, budget=budget)
        except Exception as error:
            print(number, repr(error), flush=True)
            return "error", ["error"]
        billed = (server.billed.prompt or 0) + (server.billed.completion or 0)
        received = server.received
    ids = [each.item.id for each in made.items]
    wrong = []
    if budget.tokens is not None and billed > budget.tokens:
        wrong.append("tokens passed")
    if budget.calls is not None and received > budget.calls:
        wrong.append("calls passed")
    if len(set(ids)) != options.limit:
        wrong.append("list short")
    if set(ids) & set(history) or len(tree.items_by_id(ids)) != len(ids):
        wrong.append("seen or unknown")
    if wrong:
        print(number, wrong, budget, billed, received, flush=True)
    return made.partial, wrong
