"""Put systems through an exam, grade them, and compare them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from unillmrec.errors import EvaluationError
from unillmrec.evaluation.data.exam import Split
from unillmrec.evaluation.metrics import ACCURACY, Graded, Scorer
from unillmrec.evaluation.statistics import Estimate, holm, paired_p
from unillmrec.evaluation.system_runs import Examine, Progress, SystemRun, one_by_one
from unillmrec.evaluation.systems.contract import Answer, System
from unillmrec.prices import Money, Price
from unillmrec.usage import Usage

COMPARED = ("recall", "ndcg")


def silent(system: str, done: int, total: int) -> None:
    """Take no note."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one system did: its lists, what they are worth, what they cost.

    *usage* is that of the *priced* people together. *learning* and *answering* are seconds, the
    latter for all people, in all processes. *price* is what a model's tokens cost; None if that
    is unknown.
    """

    name: str
    zero_shot: bool
    note: str
    answers: tuple[Answer, ...]
    graded: Graded
    estimates: dict[str, Estimate]
    usage: Usage
    priced: int
    learning: float
    answering: float
    price: Price | None = None

    @property
    def cost(self) -> Money | None:
        """What one person cost, by the tokens that the server counted; None if that is unknown.

        What asks no model costs nothing, whatever models cost.
        """
        if not self.priced:
            return None
        if not self.usage.calls:
            return Money(0.0, self.price.currency if self.price else "")
        cost = self.price.cost_of(self.usage) if self.price else None
        return Money(cost.amount / self.priced, cost.currency) if cost else None

    @property
    def estimated_cost(self) -> Money | None:
        """What one person costs by our own count of tokens, none of them cached."""
        if not self.usage.calls or self.price is None:
            return self.cost
        counts = self.usage.estimated_prompt, self.usage.estimated_completion
        return Money(self.price.at_most(*counts) / self.priced, self.price.currency)

    @property
    def counted_only(self) -> int:
        """To how many people the counting was confined; 0 where all were counted."""
        left_out = any(each.usage is None and not each.failed for each in self.answers)
        return self.priced if left_out else 0

    @property
    def partial(self) -> int:
        """For how many people the embedded judge had to finish the list."""
        return sum(bool(answer.partial) for answer in self.answers)

    @property
    def fallbacks(self) -> int:
        """For how many people the embedded judge answered in place of an unusable reply."""
        return sum(bool(answer.fallbacks) for answer in self.answers)

    @property
    def unusable(self) -> int:
        """For how many people a reply could not be used and nobody answered in its place."""
        return sum(bool(answer.unusable) for answer in self.answers)

    @property
    def failed(self) -> int:
        """For how many people there is no list, because a call or its reply was of no use."""
        return sum(bool(answer.failed) for answer in self.answers)

    @property
    def remarks(self) -> list[str]:
        """What a reader of the figures should know: the note, and what fell short of it."""
        told = [self.note] if self.note else []
        if self.partial:
            told.append(
                f"{self.partial:,} of {len(self.answers):,} people partial, "
                "finished by the embedded judge"
            )
        if self.fallbacks:
            told.append(
                f"{self.fallbacks:,} of {len(self.answers):,} people were answered by the embedded "
                "judge at least once, because a reply could not be used"
            )
        if self.unusable:
            told.append(
                f"{self.unusable:,} of {len(self.answers):,} people got at least one reply that "
                "could not be used, and found nothing by it"
            )
        if self.failed:
            first = next(answer.failed for answer in self.answers if answer.failed)
            told.append(
                f"{self.failed:,} of {len(self.answers):,} people failed and count as misses, "
                f"the first because {first.rstrip('.')}"
            )
            unknown = sum(bool(each.failed) and each.usage is None for each in self.answers)
            people = "person" if unknown == 1 else "people"
            if unknown:
                told.append(
                    f"without the tokens of {unknown:,} failed {people}"
                    if self.priced
                    else "what the failed people took is unknown"
                )
        if counted := self.counted_only:
            told.append(f"tokens and money are those of the first {counted:,} people")
        void = self.graded.void.as_dict()
        return told + [f"{count:,} places {what}" for what, count in void.items() if count]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as the JSON output gives them; usage is that of the priced people."""
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
            "void": self.graded.void.as_dict(),
            "seconds": {
                "learning": round(self.learning, 3),
                "answering": round(self.answering, 3),
            },
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much more the reference is worth than another system, on the same people."""

    reference: str
    system: str
    metric: str
    difference: Estimate
    p: float
    p_corrected: float

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as the JSON output gives it."""
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
    """All outcomes of one exam, and how they compare.

    *seconds* is all it took, *measuring* the part of it that the figures did.
    """

    split: Split
    at: int
    reference: str
    outcomes: tuple[Outcome, ...]
    comparisons: tuple[Comparison, ...]
    seconds: float
    measuring: float = 0.0
    price: Price | None = None

    @property
    def facts(self) -> dict[str, object]:
        """What was asked of whom."""
        return {**self.split.facts, "at": self.at}

    def named(self, name: str) -> Outcome:
        """Return the outcome of a system."""
        return next(each for each in self.outcomes if each.name == name)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as the JSON output gives it."""
        return {
            "protocol": self.facts,
            "systems": [each.as_dict() for each in self.outcomes],
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
    examine: Examine = one_by_one,
) -> Evaluation:
    """Let *systems* answer every case, and grade the lists; only the scorer sees the truth.

    *reference* is the system that all others are compared with; by default the last. *price* is
    what the model's tokens cost, as far as that is known. *examine* lets systems answer.

    Raises:
        EvaluationError: two systems have the same name, or the reference is none of them.
    """
    started = time.perf_counter()
    names = [system.name for system in systems]
    reference = reference or names[-1]
    if len(set(names)) < len(names) or reference not in names:
        raise EvaluationError(f"systems need names of their own, and {reference!r} among them.")
    scorer = Scorer(split, at, seed)
    made, measuring = [], 0.0
    with closing(examine(systems, split.exam, at, progress)) as sheets:
        for system, sheet in zip(systems, sheets, strict=True):
            begun = time.perf_counter()
            made.append(_outcome(system, sheet, scorer, price))
            measuring += time.perf_counter() - begun
    begun = time.perf_counter()
    compared = _comparisons(made, reference, scorer)
    ended = time.perf_counter()
    times = ended - started, measuring + ended - begun
    return Evaluation(split, at, reference, tuple(made), compared, *times, price)


def _outcome(system: System, sheet: SystemRun, scorer: Scorer, price: Price | None) -> Outcome:
    graded = scorer.grade(sheet.answers)
    bills = [answer.usage for answer in sheet.answers if answer.usage is not None]
    return Outcome(
        name=system.name,
        zero_shot=system.zero_shot,
        note=system.note,
        answers=sheet.answers,
        graded=graded,
        estimates=scorer.estimates(graded),
        usage=sum(bills, Usage()),
        priced=len(bills),
        learning=sheet.learning,
        answering=sheet.answering,
        price=price,
    )


def _comparisons(
    outcomes: Sequence[Outcome], reference: str, scorer: Scorer
) -> tuple[Comparison, ...]:
    """Compare the reference with every other system; p-values are corrected metric by metric."""
    (best,) = [each for each in outcomes if each.name == reference]
    others = [each for each in outcomes if each.name != reference]
    made = []
    for metric in COMPARED if others else ():
        column = ACCURACY.index(metric)
        mine = best.graded.accuracy[:, column]
        theirs = [each.graded.accuracy[:, column] for each in others]
        p_values = [paired_p(mine, each) for each in theirs]
        for other, values, p, corrected in zip(
            others, theirs, p_values, holm(p_values), strict=True
        ):
            (difference,) = scorer.bootstrap.estimates((mine - values)[:, None])
            if not mine.any() and not values.any():
                # Where neither found anything, nothing is known of how far apart they are.
                difference = Estimate(None)
            name = f"{metric}@{scorer.at}"
            made.append(Comparison(reference, other.name, name, difference, p, corrected))
    return tuple(made)
