"""A recommendation as the command line asks for it: the person, the judge, trace and log."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from unillmrec.budget import Budget, BudgetTracker
from unillmrec.cli import INTERRUPTED
from unillmrec.cli.shared.answer_sources import Answers
from unillmrec.cli.shared.output import note
from unillmrec.cli.shared.plan_output import PlanReport
from unillmrec.cli.shared.progress import walk_progress
from unillmrec.cli.shared.session import asking
from unillmrec.cli.shared.trace import open_trace
from unillmrec.errors import PersonError, SettingsError
from unillmrec.items import one_line
from unillmrec.judge import CONTRACTS, Exchange, Judge, SimilarityJudge
from unillmrec.judge.from_settings import find_price
from unillmrec.judge.voting import MOST_VOTES, Votes
from unillmrec.people.history import read_history
from unillmrec.planning.planner import plan_recommendation
from unillmrec.planning.shared_prefixes import Messages, SharedTokens, measure_shared_prefix
from unillmrec.prices import Money, Price
from unillmrec.prompts import PromptSet
from unillmrec.recommending.recommendation import Recommendation
from unillmrec.recommending.recommender import Recommender
from unillmrec.settings import Settings
from unillmrec.stages import Options, Person
from unillmrec.store import ItemTree
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Stage

# What a flag is called where it is not called as the value it gives.
RENAMED = {"rerank": "reorder"}
LIMITS = {"max_tokens": "tokens", "max_calls": "calls", "deadline": "seconds", "max_cost": "cost"}
NO_BUDGET = Budget()


def options_of(walk: Mapping[str, Any]) -> tuple[Options, Votes]:
    """Return the options that flags say, by the names of their parameters, and the votes."""
    options = {RENAMED.get(name, name): value for name, value in walk.items()}
    votes = _read_votes(options.pop("votes"))
    return Options(**options), votes


def budget_of(limits: Mapping[str, Any]) -> Budget:
    """Return the budget that flags say, by the names of their parameters."""
    return Budget(**{LIMITS[name]: limit for name, limit in limits.items()})


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the flags say."""

    tree: Path
    person: Person
    options: Options
    settings: Settings
    budget: Budget = NO_BUDGET
    where: str | None = None
    exclude: tuple[str, ...] = ()
    given: tuple[str | None, str | None] = (None, None)
    answers: Answers = field(default_factory=Answers)
    votes: Votes = 1

    @classmethod
    def of(
        cls,
        tree: Path,
        person: tuple[str | None, str | None, str | None],
        walk: Mapping[str, Any],
        limits: Mapping[str, Any],
        flags: Mapping[str, object],
        out: tuple[str | None, str | None] = (None, None),
        answers: Answers | None = None,
    ) -> Wishes:
        """Read the history and the ids to exclude, and put everything in its place."""
        answers = answers or Answers()
        history, like, profile = person
        options, votes = options_of(walk)
        return cls(
            tree,
            Person(read_history(history), like or "", profile or ""),
            options,
            answers.settle(Settings.resolve(flags)),
            budget_of(limits),
            where=out[0],
            exclude=read_history(out[1]),
            given=(history, out[1]),
            answers=answers,
            votes=votes,
        )

    def _tracker(self, judge: Judge) -> BudgetTracker:
        """Return the budget as it is spent: in money at the model's price, vectors for nothing."""
        if self.budget.cost is None:
            return BudgetTracker(self.budget)
        price = Price(0, 0) if isinstance(judge, SimilarityJudge) else find_price(self.settings)
        return BudgetTracker(self.budget, price.at_most if price else None)

    def recommendation(self, recommender: Recommender, **watchers: Any) -> Recommendation:
        """Recommend as wished; say which ids to exclude are unknown."""
        history, exclude = self.given
        try:
            made = recommender.recommend_to(
                self.person,
                self.options,
                where=self.where,
                exclude=self.exclude,
                budget=self._tracker(recommender.judge),
                **watchers,
            )
        except PersonError as error:
            if whole := _as_one_id(recommender.tree, "--history", history):
                raise PersonError(error.problem, detail=whole[0], remedy=whole[1]) from error
            raise
        if made.unknown:
            told = ", ".join(map(repr, made.unknown[:5])) + (", …" if made.unknown[5:] else "")
            count = f"{len(made.unknown):,} of {len(set(self.exclude)):,}"
            note(f"{count} ids to exclude are not in {self.tree.name}: {told}.")
            if whole := _as_one_id(recommender.tree, "--exclude", exclude):
                note(f"{whole[0]} Try: {whole[1]}")
        return made


def _read_votes(text: str) -> Votes:
    """Read how often a question is asked.

    Raises:
        SettingsError: it is neither auto nor a number that makes sense.
    """
    if text == "auto":
        return "auto"
    if text.isdecimal() and 1 <= int(text) <= MOST_VOTES:
        return int(text)
    raise SettingsError(
        f"--votes {one_line(text, 40)}: expected auto, or a number from 1 to {MOST_VOTES}."
    )


def _as_one_id(tree: ItemTree, flag: str, given: str | None) -> tuple[str, str] | None:
    """Say that all of *given* is one id with commas in it, and how to give it, if that is so."""
    if given is None or "," not in given or not tree.items_by_id([given]):
        return None
    told = f"{one_line(given, 80)!r} as a whole is an id; commas stand between ids."
    return told, f"{flag} {shlex.quote(json.dumps([given], ensure_ascii=False))}"


@dataclass(frozen=True, slots=True)
class Recommended:
    """A recommendation and where it came from; *run* is its name in the usage log.

    *prompts* holds the digests of the prompts a model was asked with, by name, and *shared*
    what these had in common; *price* is what its tokens cost, if that is known; *cache* what a
    cache was good for, if there was one.
    """

    recommendation: Recommendation
    tree: Path
    items: int
    history: int
    run: str
    prompts: Mapping[str, str]
    shared: SharedTokens
    price: Price | None = None
    cache: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cost(self) -> Money | None:
        """What it cost; None if a price or a count is not known."""
        usage = self.recommendation.total_usage()
        if not usage.calls and usage.prompt == 0:
            return Money(0.0, "")
        return self.price.cost_of(usage) if self.price else None

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        return INTERRUPTED if self.recommendation.partial == "interrupted" else 0

    @property
    def by_model(self) -> bool:
        """Whether a language model was asked."""
        return bool(self.prompts)


def recommend_to(wishes: Wishes, trace: Path | None) -> Recommended:
    """Recommend with the judge of the settings."""
    with (
        ItemTree.open(wishes.tree) as tree,
        asking(tree, wishes.settings, "recommend", wishes.answers, wishes.votes) as asked,
    ):
        digests = _digests(wishes.settings) if asked.by_model else {}
        about = {"run": asked.run, "judge": asked.judge.name}
        sent = _Sent()
        with open_trace(trace, about, digests) as write, walk_progress() as watch:
            recommender = Recommender(tree, asked.judge)
            recommendation = wishes.recommendation(
                recommender, watch=watch, trace=write, on_call=sent.add
            )
        history = len(set(wishes.person.history))
        seconds = asked.answers.measurement("seconds", recommendation.seconds)
        recommendation = replace(recommendation, seconds=seconds)
        price = find_price(wishes.settings) if asked.by_model else None
        shared = sent.shared(wishes.settings)
        made = (recommendation, wishes.tree, len(tree), history, asked.run, digests, shared, price)
        return Recommended(*made, cache=asked.answers.as_dict())


def plan_for(wishes: Wishes) -> PlanReport:
    """Walk with the embedded judge, and count the prompts a model would have got."""
    sent = _Sent()
    with ItemTree.open(wishes.tree) as tree:
        planned = plan_recommendation(
            tree,
            wishes.settings,
            lambda recommender, trace: wishes.recommendation(
                recommender, trace=trace, on_call=sent.add
            ),
            wishes.votes,
        )
        if planned.recommendation.note:
            note(planned.recommendation.note)
        return PlanReport(
            planned.plan,
            what="A recommendation",
            model=wishes.settings.model,
            walked=True,
            shared=sent.shared(wishes.settings),
            about={
                "tree": str(wishes.tree),
                "prompts": _digests(wishes.settings),
                "first_prompt": list(planned.first_prompt),
            },
        )


@dataclass(slots=True)
class _Sent:
    """The prompts of a run, in the order they were sent."""

    prompts: list[Messages] = field(default_factory=list)

    def add(self, stage: Stage, exchange: Exchange) -> None:
        self.prompts.append(exchange.messages)

    def shared(self, settings: Settings) -> SharedTokens:
        """Return what a server that keeps prefixes can serve of them."""
        return measure_shared_prefix(self.prompts, TokenCounter.for_model(settings.model))


def _digests(settings: Settings) -> dict[str, str]:
    prompts = PromptSet.load(CONTRACTS, settings.prompts)
    return {each.name: each.digest for each in prompts}
