"""What does position bias cost a walk, and what do rotation and voting recover?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.intervals import mean
from benchmarks.results import save
from unillmrec import ItemTree, Recommender
from unillmrec.building import BuildOptions, build
from unillmrec.judge import (
    CONTRACTS,
    EstimatingJudge,
    HistoryQuestion,
    Interests,
    Judge,
    PromptWriter,
    Question,
    SimilarityJudge,
    Verdict,
)
from unillmrec.judge.voting import Votes, VotingJudge
from unillmrec.prompts import PromptSet
from unillmrec.recommending.recommender import Recommendation
from unillmrec.stages import Options
from unillmrec.store import ROOT
from unillmrec.testing import BiasedJudge, NoisyJudge
from unillmrec.tokens import TokenCounter
from unillmrec.tree.vectors import Vector, similarities
from unillmrec.usage import Stage

QUESTION = (
    "A judge likes what stands first, or is noisy: what does a walk lose, and what do turned lists "
    "and votes win back, at what cost?"
)
SETS = ("ml-1m", "amazon-beauty")
PEOPLE = 50
BIAS = 5.0
NOISE = 2.0
# A walk that opens little has to choose.
OPTIONS = Options(leaves=5)
BEST = 20
Fault = Callable[[Judge], Judge]
FAULTS: dict[str, Fault] = {
    "none": lambda judge: judge,
    f"bias {BIAS:g}": lambda judge: BiasedJudge(judge, BIAS),
    f"noise {NOISE:g}": lambda judge: NoisyJudge(judge, NOISE),
    f"bias {BIAS:g}, noise {NOISE:g}": lambda judge: BiasedJudge(NoisyJudge(judge, NOISE), BIAS),
}
VOTES: tuple[Votes, ...] = ("auto", 2)


class _Branches:
    """Sends questions about branches to one judge, and all others to another."""

    def __init__(self, branches: Judge, others: Judge) -> None:
        self.name = branches.name
        self.at_once = 1
        self.works_without_vector = False
        self.asks_by_letters = False
        self._branches = branches
        self._others = others

    def interests(self, question: HistoryQuestion) -> Interests:
        return self._others.interests(question)

    def windows(self, question: Question) -> Sequence[Question]:
        return self._others.windows(question)

    def choose(self, question: Question) -> Verdict:
        return (self._branches if question.about_nodes else self._others).choose(question)


class _TreeOrder(_Branches):
    """Shows branches in tree order, undoing the rotation."""

    def choose(self, question: Question) -> Verdict:
        if not question.about_nodes:
            return self._others.choose(question)
        ordered = sorted(question.choices, key=lambda choice: choice.key)
        reordered = tuple(
            replace(each, number=place) for place, each in enumerate(ordered, start=1)
        )
        verdict = self._branches.choose(replace(question, choices=reordered))
        scores = tuple((ordered[place - 1].number, score) for place, score in verdict.scores)
        return replace(verdict, scores=scores)


def run(data: Path) -> None:
    """Walk with biased judges, and measure how many of the best items the opened leaves hold."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in SETS:
            found = datasets.load_with_people(data, name, PEOPLE)
            path = Path(folder) / f"{name}.tree"
            build(found.items, path, BuildOptions(workers=1))
            with ItemTree.open(path) as tree:
                ids = [item.id for item in found.items]
                people = [[ids[place] for place in each.history] for each in found.people]
                rows += _measured(name, tree, people)
    save(
        "position",
        QUESTION,
        rows,
        judge="embedded similarity judge with simulated faults, no model",
        seed=datasets.SEED,
        people=PEOPLE,
        leaves=OPTIONS.leaves,
    )


def _measured(name: str, tree: ItemTree, people: Sequence[list[str]]) -> list[dict[str, Any]]:
    vectors = tree.item_vectors(range(len(tree)))
    counter = TokenCounter.for_model("gpt-4o")
    writer = PromptWriter(PromptSet.load(CONTRACTS), counter)
    exact = EstimatingJudge(SimilarityJudge(tree), writer)
    rows = []
    for fault_name, fault in FAULTS.items():
        faulty = fault(exact)
        ways: list[tuple[str, Judge]] = [
            ("tree", _TreeOrder(faulty, exact)),
            ("turned", _Branches(faulty, exact)),
        ]
        ways += [
            (f"turned, votes {votes}", _Branches(VotingJudge(faulty, votes), exact))
            for votes in VOTES
        ]
        for order, judge in ways[: 2 if fault_name == "none" else None]:
            rows.append(
                {"set": name, "fault": fault_name, "order": order}
                | _walked(tree, judge, people, vectors)
            )
            print(rows[-1])
    return rows


def _walked(
    tree: ItemTree, judge: Judge, people: Sequence[list[str]], vectors: Sequence[Vector]
) -> dict[str, Any]:
    found: list[tuple[float, ...]] = []
    recommender = Recommender(tree, judge)
    for history in people:
        made = recommender.recommend(history, options=OPTIONS)
        usage = made.usage[Stage.RECALL]
        found.append(
            (
                _reached(tree, made, history, vectors),
                _first(tree, made),
                usage.calls,
                usage.estimated_prompt or 0,
            )
        )
    reached, first, calls, prompt = np.array(found).T
    return {
        "best 20 in opened leaves": mean(reached),
        "opened from the first third": mean(first),
        "calls": round(float(calls.mean()), 1),
        "prompt tokens": round(float(prompt.mean())),
    }


def _reached(
    tree: ItemTree, made: Recommendation, history: Sequence[str], vectors: Sequence[Vector]
) -> float:
    """Return the share of the twenty most similar items that the walk reached."""
    assert made.profile.vector is not None
    near = similarities(made.profile.vector, vectors)
    near[[number for number, _ in tree.locate(history).values()]] = -1
    best = set(np.argsort(-near, kind="stable")[:BEST].tolist())
    leaves = [event.opened.id for event in made.opened if event.opened.is_leaf]
    return len(best & {each.number for each in tree.items_in(leaves)}) / BEST


def _first(tree: ItemTree, made: Recommendation) -> float:
    """Return the share of opened nodes that are in the first third of their siblings."""
    opened = {event.opened.id for event in made.opened if event.opened.id != ROOT}
    places = [
        place / len(event.children)
        for event in made.opened
        for place, child in enumerate(sorted(event.children, key=lambda node: node.id))
        if child.id in opened and len(event.children) > 2
    ]
    return sum(place < 1 / 3 for place in places) / max(len(places), 1)
