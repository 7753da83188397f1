"""Estimate what model calls would cost: calls, tokens, time and money, each with an interval.

The prompts are the real ones from the real tree, along the walk of the embedded judge. The server's
token counts, the length of replies and their time are estimated from past calls to the model, or
from typical values where there are none.

    plan = Planner.from_settings(settings, tree.path).plan(estimated_usage_by_stage)
    print(plan.total.tokens.likely, plan.total.cost)

`plan_recommendation` plans one recommendation, `plan_recommendations` many of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import sqrt
from pathlib import Path
from typing import Any

from unillmrec.endpoint.openai_endpoint import TEXTS_PER_REQUEST
from unillmrec.judge.from_settings import endpoint_host, find_price
from unillmrec.judge.prompting.prompt_writer import OUTPUT_ROOM
from unillmrec.judge.registry import build_estimating_judge
from unillmrec.judge.voting import Votes
from unillmrec.planning.plan import Interval, Plan, PlanLine
from unillmrec.prices import Price
from unillmrec.recommending.recommendation import Recommendation
from unillmrec.recommending.recommender import Recommender, Trace
from unillmrec.settings import Settings
from unillmrec.stages import Options, Person
from unillmrec.store import ItemTree
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Stage, Usage
from unillmrec.usage_log import Calibration, StageCalibration, log_path

# How much shorter or longer a model's walk may be than the embedded judge's. Simulated models
# stayed within this (benchmarks/results/planning.json); real ones may not.
WALK_RANGE = (0.75, 1.35)
# Other vocabularies than o200k seldom need fewer tokens, and up to a third more.
LEAST_PROMPT = 0.9
# The length of a reply relative to a typical one: from a few numbers up to its limit.
REPLY_RANGE = (0.3, 2.0)
# The same, relative to past replies of the model.
KNOWN_REPLY_RANGE = (0.7, 1.4)


@dataclass(frozen=True, slots=True)
class Planner:
    """Turns the usage that an estimating judge reports into a plan for one model.

    *calibration* compares estimates with past calls to the model; see `unillmrec.usage_log`.
    """

    model: str | None
    counter: TokenCounter
    calibration: Calibration = field(default_factory=Calibration)
    price: Price | None = None

    @classmethod
    def from_settings(
        cls, settings: Settings, tree: Path | None = None, model: str | None = None
    ) -> Planner:
        """Return a planner for *model*, calibrated by the usage log of *tree*.

        *model* defaults to that of the settings.
        """
        model = model or settings.model
        log = log_path(tree, settings.usage_log) if tree is not None else None
        return cls(
            model,
            TokenCounter.for_model(model),
            Calibration.read(log, model, endpoint_host(settings)),
            find_price(settings, model),
        )

    @property
    def profile_tokens(self) -> float | None:
        """The mean length of the model's profile replies so far, in tokens; None without any."""
        known = self.calibration.by_stage.get(Stage.PROFILE)
        return known.text_tokens if known else None

    def plan(
        self,
        estimated: Mapping[Stage, Usage],
        waits: Mapping[Stage, int] | None = None,
        *,
        at_once: int = 1,
    ) -> Plan:
        """Return a plan for *estimated* usage by stage.

        *waits* is how often each stage waits for answers; by default there are *at_once* calls in
        each wait.
        """
        lines = {}
        for stage, usage in estimated.items():
            if usage.calls:
                rounds = waits[stage] if waits and stage in waits else -(-usage.calls // at_once)
                lines[stage] = self._line(stage, usage, rounds)
        return Plan(lines, self.price.currency if self.price else "", tuple(self._notes(lines)))

    def _notes(self, lines: Mapping[Stage, PlanLine]) -> Iterable[str]:
        if self.calibration.distrusted:
            yield f"At {self.model}, {self.calibration.distrusted}."
        if lines and self.model and self.price is None:
            yield f"What {self.model} costs is not known; [prices] in unillmrec.toml can say it."

    def _line(self, stage: Stage, usage: Usage, rounds: int) -> PlanLine:
        known = None if stage is Stage.EMBED else self.calibration.of(stage)
        calls = Interval(usage.calls, usage.calls, usage.calls)
        walk = WALK_RANGE if stage is Stage.RECALL else (1.0, 1.0)
        calls = calls.times(1.0, *walk)
        prompt = self._prompts(usage, known).times(1.0, *walk)
        completion = _completions(stage, usage, known).times(1.0, *walk)
        seconds = None
        if known:
            low, mean, high = known.seconds
            seconds = Interval(rounds, rounds * walk[0], rounds * walk[1]).times(mean, low, high)
            seconds = seconds.times(known.overhead, 1.0, known.overhead)
        cost = self._cost(prompt, completion, known)
        return PlanLine(calls, prompt, completion, seconds, cost, self._counted(known))

    def _counted(self, known: StageCalibration | None) -> str:
        return f"calibrated({known.replies})" if known else self.counter.method

    def _prompts(self, usage: Usage, known: StageCalibration | None) -> Interval:
        estimated = float(usage.estimated_prompt)
        whole = Interval(estimated, estimated, estimated)
        if known is None:
            margin = self.counter.margin
            least = 1 - margin if self.counter.method != "estimate" else LEAST_PROMPT
            return whole.times(1.0, max(least, 0.5), 1 + margin)
        ratio = known.prompt_ratio * known.overhead
        # The errors of many prompts partly cancel out.
        margin = known.margin / sqrt(max(usage.calls, 1))
        return whole.times(ratio, known.prompt_ratio * (1 - margin), ratio * (1 + margin))

    def _cost(
        self, prompt: Interval, completion: Interval, known: StageCalibration | None
    ) -> Interval | None:
        price = self.price
        if price is None:
            return None
        cached = known.cached_share if known else 0.0
        mixed = (price.prompt * (1 - cached) + price.of_cached * cached) / price.per
        highest, lowest = price.prompt / price.per, min(price.of_cached / price.per, mixed)
        paid = prompt.times(mixed, lowest if cached else mixed, highest)
        return paid + completion.times(price.completion / price.per)


def _completions(stage: Stage, usage: Usage, known: StageCalibration | None) -> Interval:
    typical = float(usage.estimated_completion)
    whole = Interval(typical, typical, typical)
    if stage is Stage.EMBED:
        return Interval()
    if known is None or not known.completion_ratio:
        return whole.times(1.0, *REPLY_RANGE)
    # The estimate is a fixed share of the output limit; the calibration is relative to the limit.
    ratio = known.completion_ratio * OUTPUT_ROOM * known.overhead
    return whole.times(ratio, *(ratio * end for end in KNOWN_REPLY_RANGE))


@dataclass(slots=True)
class EmbeddingTextCounter:
    """Counts the texts that would be embedded, and their tokens."""

    counter: TokenCounter
    texts: int = 0
    tokens: int = 0

    def add(self, texts: Sequence[str]) -> int:
        """Count *texts*; return how many were counted before them."""
        before = self.texts
        self.texts += len(texts)
        self.tokens += sum(map(self.counter.count, texts))
        return before

    @property
    def usage(self) -> Usage:
        """The estimated usage of embedding them."""
        calls = -(-self.texts // TEXTS_PER_REQUEST)
        return Usage(calls, None, None, None, None, self.tokens)


@dataclass(frozen=True, slots=True)
class RecommendationPlan:
    """A plan for one recommendation.

    *recommendation* is the embedded judge's, whose walk the plan is based on. *first_prompt* are
    the messages of the first call.
    """

    plan: Plan
    recommendation: Recommendation
    first_prompt: Sequence[Mapping[str, str]]


def plan_recommendation(
    tree: ItemTree,
    settings: Settings,
    recommend: Callable[[Recommender, Trace], Recommendation],
    votes: Votes = 1,
) -> RecommendationPlan:
    """Plan one recommendation by the settings' model; nothing is sent.

    *recommend* makes it, with the recommender and trace callback that it gets: its walk is the
    embedded judge's, its prompts are the ones a model would get. `Session.plan` is simpler.

        planned = plan_recommendation(
            tree, settings, lambda recommender, trace: recommender.recommend(ids, trace=trace)
        )
    """
    planner = Planner.from_settings(settings, tree.path)
    judge = build_estimating_judge(tree, settings, planner.profile_tokens, votes=votes)
    lines: list[dict[str, Any]] = []
    recommendation = recommend(Recommender(tree, judge), lines.append)
    first: Sequence[Mapping[str, str]] = next(
        (each["messages"] for each in lines if "messages" in each), []
    )
    plan = planner.plan(recommendation.usage, recommendation.waits)
    return RecommendationPlan(plan, recommendation, first)


def plan_recommendations(
    tree: ItemTree,
    people: Iterable[Person],
    options: Options,
    settings: Settings,
    *,
    count: int | None = None,
    sample: int = 50,
    votes: Votes = 1,
    **limits: Any,
) -> Plan:
    """Plan recommendations to *count* people, by the walks for the first *sample* of them.

    *count* defaults to the size of the sample. The time is that of a batch with as many calls in
    parallel as the settings allow. *limits* are passed to `Recommender.recommend_to`.
    """
    planner = Planner.from_settings(settings, tree.path)
    judge = build_estimating_judge(tree, settings, planner.profile_tokens, votes=votes)
    recommender = Recommender(tree, judge)
    usages = [
        recommender.recommend_to(person, options, **limits).usage
        for person in islice(people, sample)
    ]
    return extrapolate_plan(
        planner, usages, len(usages) if count is None else count, settings.concurrency
    )


def extrapolate_plan(
    planner: Planner, usages: Sequence[Mapping[Stage, Usage]], count: int, at_once: int
) -> Plan:
    """Plan *count* people from the estimated *usages* of a sample of them."""
    if not usages or not count:
        return Plan({})
    sampled: dict[Stage, Usage] = {}
    for each in usages:
        for stage, usage in each.items():
            sampled[stage] = sampled.get(stage, Usage()) + usage
    factor = count / len(usages)
    # The sample may not represent the others: the interval grows by twice the standard error,
    # reduced by the share of the people that is in the sample.
    sizes = [sum(usage.estimated_prompt for usage in each.values()) for each in usages]
    spread = 2 * _spread(sizes) * sqrt(max(0.0, 1 - 1 / factor))
    return _scaled(planner.plan(sampled, at_once=at_once), factor, spread)


def _spread(sizes: Sequence[int]) -> float:
    """Return the relative standard error of the mean."""
    mean = sum(sizes) / len(sizes)
    if len(sizes) < 2 or not mean:
        return 0.0
    variance = sum((size - mean) ** 2 for size in sizes) / (len(sizes) - 1)
    return sqrt(variance / len(sizes)) / mean


def _scaled(plan: Plan, factor: float, spread: float) -> Plan:
    def scale(interval: Interval | None) -> Interval | None:
        ends = (factor * max(1 - spread, 0.0), factor * (1 + spread))
        return None if interval is None else interval.times(factor, *ends)

    lines = {
        stage: PlanLine(
            scale(line.calls) or Interval(),
            scale(line.prompt) or Interval(),
            scale(line.completion) or Interval(),
            scale(line.seconds),
            scale(line.cost),
            line.counted,
        )
        for stage, line in plan.lines.items()
    }
    return Plan(lines, plan.currency, plan.notes)
