"""What something would cost: calls, tokens, time and money, each with an interval.

The prompts are the real ones, on the real tree; the walk is that of the embedded judge. What
a server counts, what a model writes and how long it takes comes from past calls to it, and
from what is typical where there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from math import sqrt
from pathlib import Path
from typing import Any

from unillmrec.endpoint.openai_endpoint import TEXTS_PER_REQUEST
from unillmrec.judge.from_settings import endpoint_host, find_price
from unillmrec.judge.prompting.prompt_writer import OUTPUT_ROOM
from unillmrec.judge.registry import build_estimating_judge
from unillmrec.judge.voting import Votes
from unillmrec.prices import Price
from unillmrec.recommending.recommendation import Recommendation
from unillmrec.recommending.recommender import Recommender, Trace
from unillmrec.settings import Settings
from unillmrec.stages import Options, Person
from unillmrec.store import ItemTree
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Stage, Usage
from unillmrec.usage_log import Experience, Lesson, log_path

# How much more or less a model may walk than the embedded judge. Simulated ones stayed within it
# (benchmarks/results/planning.json); a real one may have a mind of its own.
WALKED = (0.75, 1.35)
# A vocabulary that is not o200k needs seldom fewer tokens, and up to a third more.
FEWEST = 0.9
# An answer may be a few numbers or run into its limit; what is typical lies between.
WRITTEN = (0.3, 2.0)
# What answers of one model were like is a better guide.
WRITTEN_BEFORE = (0.7, 1.4)


@dataclass(frozen=True, slots=True)
class Span:
    """What is likely, and between what it will be unless something is out of the ordinary."""

    likely: float = 0.0
    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Span) -> Span:
        return Span(self.likely + other.likely, self.low + other.low, self.high + other.high)

    def times(self, factor: float, low: float | None = None, high: float | None = None) -> Span:
        """Return the span so many times over, with wider ends if they are given."""
        ends = (factor if low is None else low, factor if high is None else high)
        return Span(self.likely * factor, self.low * ends[0], self.high * ends[1])


def _both(one: Span | None, other: Span | None) -> Span | None:
    return None if one is None or other is None else one + other


@dataclass(frozen=True, slots=True)
class PlanLine:
    """What the calls of a stage would take; None is unknown. *counted* says how it is known."""

    calls: Span = Span()
    prompt: Span = Span()
    completion: Span = Span()
    seconds: Span | None = Span()
    cost: Span | None = Span()
    counted: str = ""

    def __add__(self, other: PlanLine) -> PlanLine:
        return PlanLine(
            self.calls + other.calls,
            self.prompt + other.prompt,
            self.completion + other.completion,
            _both(self.seconds, other.seconds),
            _both(self.cost, other.cost),
            self.counted if self.counted == other.counted else "",
        )

    @property
    def tokens(self) -> Span:
        """Prompts and completions together."""
        return self.prompt + self.completion

    def as_dict(self) -> dict[str, object]:
        """Return the line as the JSON output gives it; a pair is from low to high."""
        named: dict[str, object] = {
            "calls": round(self.calls.likely),
            "prompt": round(self.prompt.likely),
            "completion": round(self.completion.likely),
            "tokens": round(self.tokens.likely),
            "tokens_between": [round(self.tokens.low), round(self.tokens.high)],
        }
        for name, span, digits in (("seconds", self.seconds, 2), ("cost", self.cost, 8)):
            named[name] = None if span is None else round(span.likely, digits)
            between = None if span is None else [round(span.low, digits), round(span.high, digits)]
            named[f"{name}_between"] = between
        return named | {"counted": self.counted}


@dataclass(frozen=True, slots=True)
class Plan:
    """What calls would take, by stage. *notes* say what cannot be told, and why."""

    lines: Mapping[Stage, PlanLine]
    currency: str = ""
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> PlanLine:
        """The sum over all stages; its ends are the sums of theirs."""
        lines = list(self.lines.values())
        return reduce(PlanLine.__add__, lines) if lines else PlanLine()

    def as_dict(self) -> dict[str, Any]:
        """Return the lines and their sum as the JSON output gives them."""
        lines = {str(stage): line.as_dict() for stage, line in self.lines.items()}
        return lines | {"total": self.total.as_dict()}

    def beside(self, other: Plan) -> Plan:
        """Return both plans as one; their stages differ, and their models may."""
        currency = self.currency or other.currency
        if self.currency and other.currency and self.currency != other.currency:
            currency = ""
        return Plan({**self.lines, **other.lines}, currency, (*self.notes, *other.notes))


@dataclass(frozen=True, slots=True)
class Planner:
    """Turns what an estimating judge bills into a plan for one model."""

    model: str | None
    counter: TokenCounter
    experience: Experience = field(default_factory=Experience)
    price: Price | None = None

    @classmethod
    def of(cls, settings: Settings, tree: Path | None = None, model: str | None = None) -> Planner:
        """Return the planner for a model of the settings, which knows the log of *tree*."""
        model = model or settings.model
        log = log_path(tree, settings.usage_log) if tree is not None else None
        return cls(
            model,
            TokenCounter.for_model(model),
            Experience.read(log, model, endpoint_host(settings)),
            find_price(settings, model),
        )

    @property
    def profile_tokens(self) -> float | None:
        """How many tokens the model's profiles were, if it has made any."""
        lesson = self.experience.lessons.get(Stage.PROFILE)
        return lesson.spoken if lesson else None

    def plan(
        self,
        asked: Mapping[Stage, Usage],
        turns: Mapping[Stage, int] | None = None,
        *,
        at_once: int = 1,
    ) -> Plan:
        """Plan the calls that were estimated, by stage.

        *turns* is how often answers are waited for; without it, all calls are one after the
        other, or *at_once* of them at a time.
        """
        lines = {}
        for stage, usage in asked.items():
            if usage.calls:
                waits = turns[stage] if turns and stage in turns else -(-usage.calls // at_once)
                lines[stage] = self._line(stage, usage, waits)
        return Plan(lines, self.price.currency if self.price else "", tuple(self._notes(lines)))

    def _notes(self, lines: Mapping[Stage, PlanLine]) -> Iterable[str]:
        if self.experience.distrusted:
            yield f"At {self.model}, {self.experience.distrusted}."
        if lines and self.model and self.price is None:
            yield f"What {self.model} costs is not known; [prices] in unillmrec.toml can say it."

    def _line(self, stage: Stage, usage: Usage, turns: int) -> PlanLine:
        lesson = None if stage is Stage.EMBED else self.experience.of(stage)
        calls = Span(usage.calls, usage.calls, usage.calls)
        walk = WALKED if stage is Stage.RECALL else (1.0, 1.0)
        calls = calls.times(1.0, *walk)
        prompt = self._prompts(usage, lesson).times(1.0, *walk)
        completion = _completions(stage, usage, lesson).times(1.0, *walk)
        seconds = None
        if lesson:
            low, mean, high = lesson.seconds
            seconds = Span(turns, turns * walk[0], turns * walk[1]).times(mean, low, high)
            seconds = seconds.times(lesson.more, 1.0, lesson.more)
        cost = self._cost(prompt, completion, lesson)
        return PlanLine(calls, prompt, completion, seconds, cost, self._counted(lesson))

    def _counted(self, lesson: Lesson | None) -> str:
        return f"calibrated({lesson.answers})" if lesson else self.counter.method

    def _prompts(self, usage: Usage, lesson: Lesson | None) -> Span:
        estimated = float(usage.estimated_prompt)
        whole = Span(estimated, estimated, estimated)
        if lesson is None:
            margin = self.counter.margin
            least = 1 - margin if self.counter.method != "estimate" else FEWEST
            return whole.times(1.0, max(least, 0.5), 1 + margin)
        ratio = lesson.prompt * lesson.more
        # A single prompt may be further off than many together.
        margin = lesson.margin / sqrt(max(usage.calls, 1))
        return whole.times(ratio, lesson.prompt * (1 - margin), ratio * (1 + margin))

    def _cost(self, prompt: Span, completion: Span, lesson: Lesson | None) -> Span | None:
        price = self.price
        if price is None:
            return None
        cached = lesson.cached if lesson else 0.0
        mixed = (price.prompt * (1 - cached) + price.of_cached * cached) / price.per
        dearest, cheapest = price.prompt / price.per, min(price.of_cached / price.per, mixed)
        paid = prompt.times(mixed, cheapest if cached else mixed, dearest)
        return paid + completion.times(price.completion / price.per)


def _completions(stage: Stage, usage: Usage, lesson: Lesson | None) -> Span:
    typical = float(usage.estimated_completion)
    whole = Span(typical, typical, typical)
    if stage is Stage.EMBED:
        return Span()
    if lesson is None or not lesson.completion:
        return whole.times(1.0, *WRITTEN)
    # The typical answer is a fixed share of the most that is allowed.
    ratio = lesson.completion * OUTPUT_ROOM * lesson.more
    return whole.times(ratio, *(ratio * end for end in WRITTEN_BEFORE))


@dataclass(slots=True)
class EmbeddingTextCounter:
    """Texts that would be embedded, counted as they stream by."""

    counter: TokenCounter
    texts: int = 0
    tokens: int = 0

    def add(self, texts: Sequence[str]) -> int:
        """Count *texts*; return how many there were before."""
        before = self.texts
        self.texts += len(texts)
        self.tokens += sum(map(self.counter.count, texts))
        return before

    @property
    def usage(self) -> Usage:
        """What embedding them would take."""
        calls = -(-self.texts // TEXTS_PER_REQUEST)
        return Usage(calls, None, None, None, None, self.tokens)


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan for one person, the walk it was made by, and the first prompt of it."""

    plan: Plan
    recommendation: Recommendation
    first_prompt: Sequence[Mapping[str, str]]


def plan_recommendation(
    tree: ItemTree,
    settings: Settings,
    recommend: Callable[[Recommender, Trace], Recommendation],
    votes: Votes = 1,
) -> Planned:
    """Let *recommend* walk with the embedded judge, and plan the prompts a model would get."""
    planner = Planner.of(settings, tree.path)
    judge = build_estimating_judge(tree, settings, planner.profile_tokens, votes=votes)
    sent: list[dict[str, Any]] = []
    made = recommend(Recommender(tree, judge), sent.append)
    first: Sequence[Mapping[str, str]] = next(
        (each["messages"] for each in sent if "messages" in each), []
    )
    return Planned(planner.plan(made.usage, made.waits), made, first)


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
    """Plan recommendations to *count* people by the walks of the first *sample* of them.

    Without *count* there are no more people than those. Time is that of a batch which keeps
    all calls of the settings' concurrency in flight.
    """
    planner = Planner.of(settings, tree.path)
    judge = build_estimating_judge(tree, settings, planner.profile_tokens, votes=votes)
    recommender = Recommender(tree, judge)
    made = [
        recommender.recommend_to(person, options, **limits).usage
        for person in islice(people, sample)
    ]
    return scale_to_people(
        planner, made, len(made) if count is None else count, settings.concurrency
    )


def scale_to_people(
    planner: Planner, made: Sequence[Mapping[Stage, Usage]], count: int, at_once: int
) -> Plan:
    """Plan what *count* people take, by what was estimated for some of them."""
    if not made or not count:
        return Plan({})
    asked: dict[Stage, Usage] = {}
    for each in made:
        for stage, usage in each.items():
            asked[stage] = asked.get(stage, Usage()) + usage
    factor = count / len(made)
    # Those who are not in the sample may be others: twice the error of its mean, which the part
    # of them that is in it has no share in.
    sizes = [sum(usage.estimated_prompt for usage in each.values()) for each in made]
    spread = 2 * _spread(sizes) * sqrt(max(0.0, 1 - 1 / factor))
    return _scaled(planner.plan(asked, at_once=at_once), factor, spread)


def _spread(sizes: Sequence[int]) -> float:
    """Return the standard error of the mean over the mean."""
    mean = sum(sizes) / len(sizes)
    if len(sizes) < 2 or not mean:
        return 0.0
    variance = sum((size - mean) ** 2 for size in sizes) / (len(sizes) - 1)
    return sqrt(variance / len(sizes)) / mean


def _scaled(plan: Plan, factor: float, spread: float) -> Plan:
    def more(span: Span | None) -> Span | None:
        ends = (factor * max(1 - spread, 0.0), factor * (1 + spread))
        return None if span is None else span.times(factor, *ends)

    lines = {
        stage: PlanLine(
            more(line.calls) or Span(),
            more(line.prompt) or Span(),
            more(line.completion) or Span(),
            more(line.seconds),
            more(line.cost),
            line.counted,
        )
        for stage, line in plan.lines.items()
    }
    return Plan(lines, plan.currency, plan.notes)
