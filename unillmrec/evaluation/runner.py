"""Evaluate systems on held-out interactions, and compare them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from unillmrec.errors import EvaluationError
from unillmrec.evaluation.data.cases import Split
from unillmrec.evaluation.metrics import ACCURACY, ScoredLists, Scorer
from unillmrec.evaluation.statistics import Estimate, holm, paired_p
from unillmrec.evaluation.system_runs import Progress, RunSystems, SystemRun, run_sequentially
from unillmrec.evaluation.systems.contract import RankedList, System
from unillmrec.prices import Money, Price
from unillmrec.usage import Usage

COMPARED = ("recall", "ndcg")


def silent(system: str, done: int, total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True, slots=True)
class SystemResult:
    """The lists of one system, their metrics, and their cost.

    *usage* is the sum over the *priced* people. *learning* and *answering* are seconds, the
    latter for all people in all processes. *price* is the price of the model's tokens, or None
    if it is unknown.
    """

    name: str
    zero_shot: bool
    note: str
    answers: tuple[RankedList, ...]
    scored: ScoredLists
    estimates: dict[str, Estimate]
    usage: Usage
    priced: int
    learning: float
    answering: float
    price: Price | None = None

    @property
    def cost(self) -> Money | None:
        """The cost per person by the tokens that the server counted; None if unknown.

        Without model calls it is zero, whatever the price.
        """
        if not self.priced:
            return None
        if not self.usage.calls:
            return Money(0.0, self.price.currency if self.price else "")
        cost = self.price.cost_of(self.usage) if self.price else None
        return Money(cost.amount / self.priced, cost.currency) if cost else None

    @property
    def estimated_cost(self) -> Money | None:
        """The cost per person by our own token counts, assuming nothing is cached."""
        if not self.usage.calls or self.price is None:
            return self.cost
        counts = self.usage.estimated_prompt, self.usage.estimated_completion
        return Money(self.price.at_most(*counts) / self.priced, self.price.currency)

    @property
    def counted_only(self) -> int:
        """The number of people whose tokens were counted, if not all were; otherwise 0."""
        left_out = any(each.usage is None and not each.failed for each in self.answers)
        return self.priced if left_out else 0

    @property
    def partial(self) -> int:
        """The number of people whose list the embedded judge had to finish."""
        return sum(bool(answer.partial) for answer in self.answers)

    @property
    def fallbacks(self) -> int:
        """The number of people for whom the embedded judge replaced an unusable reply."""
        return sum(bool(answer.fallbacks) for answer in self.answers)

    @property
    def unusable(self) -> int:
        """The number of people with an unusable reply that nothing replaced."""
        return sum(bool(answer.unusable) for answer in self.answers)

    @property
    def failed(self) -> int:
        """The number of people without a list because a call failed."""
        return sum(bool(answer.failed) for answer in self.answers)

    @property
    def remarks(self) -> list[str]:
        """What readers of the metrics should know: the note, and whatever went wrong."""
        remarks = [self.note] if self.note else []
        people = f"{len(self.answers):,} people"
        if self.partial:
            remarks.append(f"{self.partial:,} of {people} partial, finished by the embedded judge")
        if self.fallbacks:
            remarks.append(
                f"{self.fallbacks:,} of {people} were answered by the embedded judge at least "
                "once, because a reply could not be used"
            )
        if self.unusable:
            remarks.append(
                f"{self.unusable:,} of {people} got at least one reply that could not be used, "
                "which contributed no items"
            )
        remarks += self._failure_remarks()
        if counted := self.counted_only:
            remarks.append(f"tokens and money are those of the first {counted:,} people")
        invalid = self.scored.invalid.as_dict()
        return remarks + [f"{count:,} places {kind}" for kind, count in invalid.items() if count]

    def _failure_remarks(self) -> list[str]:
        if not self.failed:
            return []
        first = next(answer.failed for answer in self.answers if answer.failed)
        remarks = [
            f"{self.failed:,} of {len(self.answers):,} people failed and count as misses, "
            f"the first because {first.rstrip('.')}"
        ]
        unknown = sum(bool(each.failed) and each.usage is None for each in self.answers)
        if unknown and self.priced:
            people = "person" if unknown == 1 else "people"
            remarks.append(f"without the tokens of {unknown:,} failed {people}")
        elif unknown:
            remarks.append("the tokens of the failed people are unknown")
        return remarks

    def as_dict(self) -> dict[str, Any]:
        """Return the result for the JSON output; usage is the sum over the priced people."""
        costs = {"cost": self.cost, "estimated_cost": self.estimated_cost}
        return {
            "name": self.name,
            "zero_shot": self.zero_shot,
            "note": self.note,
            "metrics": {name: each.as_dict() for name, each in self.estimates.items()},
            "usage": self.usage.as_dict() if self.priced else None,
            "priced": self.priced,
            **{name: money.as_dict() if money else None for name, money in costs.items()},
            "partial": self.partial,
            "fallbacks": self.fallbacks,
            "unusable": self.unusable,
            "failed": self.failed,
            "void": self.scored.invalid.as_dict(),
            "seconds": {
                "learning": round(self.learning, 3),
                "answering": round(self.answering, 3),
            },
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference in a metric between the reference and another system, on the same people."""

    reference: str
    system: str
    metric: str
    difference: Estimate
    p: float
    p_corrected: float

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison for the JSON output."""
        return {
            "reference": self.reference,
            "system": self.system,
            "metric": self.metric,
            "difference": self.difference.as_dict(),
            "p": float(f"{self.p:.3g}"),
            "p_corrected": float(f"{self.p_corrected:.3g}"),
        }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The results of all systems on one split, and their comparisons.

    *seconds* is the total time, *measuring* the part spent on metrics.
    """

    split: Split
    at: int
    reference: str
    results: tuple[SystemResult, ...]
    comparisons: tuple[Comparison, ...]
    seconds: float
    measuring: float = 0.0
    price: Price | None = None

    @property
    def facts(self) -> dict[str, object]:
        """The facts about the split, and the length of the lists."""
        return {**self.split.facts, "at": self.at}

    def result_of(self, name: str) -> SystemResult:
        """Return the result of the system called *name*."""
        return next(each for each in self.results if each.name == name)

    def as_dict(self) -> dict[str, Any]:
        """Return the evaluation for the JSON output."""
        return {
            "protocol": self.facts,
            "systems": [each.as_dict() for each in self.results],
            "comparisons": [each.as_dict() for each in self.comparisons],
            "price": self.price.describe() if self.price else None,
            "seconds": round(self.seconds, 2),
        }


def evaluate(
    split: Split,
    systems: Sequence[System],
    *,
    reference: str | None = None,
    at: int = 10,
    seed: int = 0,
    price: Price | None = None,
    progress: Progress = silent,
    run_systems: RunSystems = run_sequentially,
) -> Evaluation:
    """Run *systems* on every case and score their lists; only the scorer sees the ground truth.

    All others are compared with the system *reference*, by default the last. *price* is the
    price of the model's tokens, if it is known.

    Raises:
        EvaluationError: two systems have the same name, or none is called *reference*.
    """
    started = time.perf_counter()
    names = [system.name for system in systems]
    reference = reference or names[-1]
    if len(set(names)) < len(names) or reference not in names:
        raise EvaluationError(f"systems need unique names, and {reference!r} must be among them.")
    scorer = Scorer(split, at, seed)
    results, measuring = [], 0.0
    with closing(run_systems(systems, split.data, at, progress)) as runs:
        for system, run in zip(systems, runs, strict=True):
            begun = time.perf_counter()
            results.append(_result(system, run, scorer, price))
            measuring += time.perf_counter() - begun
    begun = time.perf_counter()
    comparisons = _compare(results, reference, scorer)
    ended = time.perf_counter()
    return Evaluation(
        split,
        at,
        reference,
        tuple(results),
        comparisons,
        seconds=ended - started,
        measuring=measuring + ended - begun,
        price=price,
    )


def _result(system: System, run: SystemRun, scorer: Scorer, price: Price | None) -> SystemResult:
    scored = scorer.score(run.answers)
    usages = [answer.usage for answer in run.answers if answer.usage is not None]
    return SystemResult(
        name=system.name,
        zero_shot=system.zero_shot,
        note=system.note,
        answers=run.answers,
        scored=scored,
        estimates=scorer.estimates(scored),
        usage=sum(usages, Usage()),
        priced=len(usages),
        learning=run.learning,
        answering=run.answering,
        price=price,
    )


def _compare(
    results: Sequence[SystemResult], reference: str, scorer: Scorer
) -> tuple[Comparison, ...]:
    """Compare the reference with every other system; p-values are corrected metric by metric."""
    (ours,) = [each for each in results if each.name == reference]
    others = [each for each in results if each.name != reference]
    comparisons = []
    for metric in COMPARED if others else ():
        column = ACCURACY.index(metric)
        our_values = ours.scored.accuracy[:, column]
        their_values = [each.scored.accuracy[:, column] for each in others]
        p_values = [paired_p(our_values, each) for each in their_values]
        corrected_values = holm(p_values)
        for other, values, p, corrected in zip(
            others, their_values, p_values, corrected_values, strict=True
        ):
            (difference,) = scorer.bootstrap.estimates((our_values - values)[:, None])
            if not our_values.any() and not values.any():
                # Neither system found anything, so the size of the difference is unknown.
                difference = Estimate(None)
            name = f"{metric}@{scorer.at}"
            comparisons.append(Comparison(reference, other.name, name, difference, p, corrected))
    return tuple(comparisons)
