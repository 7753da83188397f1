"""The estimated cost of model calls: intervals for calls, tokens, time and money, by stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from unillmrec.usage import Stage


@dataclass(frozen=True, slots=True)
class Interval:
    """A likely value, and the lower and upper end of what is normally possible."""

    likely: float = 0.0
    low: float = 0.0
    high: float = 0.0

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.likely + other.likely, self.low + other.low, self.high + other.high)

    def times(self, factor: float, low: float | None = None, high: float | None = None) -> Interval:
        """Return the interval times *factor*; *low* and *high* replace it for the ends."""
        ends = (factor if low is None else low, factor if high is None else high)
        return Interval(self.likely * factor, self.low * ends[0], self.high * ends[1])


def _sum(one: Interval | None, other: Interval | None) -> Interval | None:
    return None if one is None or other is None else one + other


@dataclass(frozen=True, slots=True)
class PlanLine:
    """The estimate for one stage; None is unknown. *counted* is how its tokens were counted."""

    calls: Interval = Interval()
    prompt: Interval = Interval()
    completion: Interval = Interval()
    seconds: Interval | None = Interval()
    cost: Interval | None = Interval()
    counted: str = ""

    def __add__(self, other: PlanLine) -> PlanLine:
        return PlanLine(
            self.calls + other.calls,
            self.prompt + other.prompt,
            self.completion + other.completion,
            _sum(self.seconds, other.seconds),
            _sum(self.cost, other.cost),
            self.counted if self.counted == other.counted else "",
        )

    @property
    def tokens(self) -> Interval:
        """Prompt and completion tokens together."""
        return self.prompt + self.completion

    def as_dict(self) -> dict[str, object]:
        """Return the line as in the JSON output; pairs are the ends of an interval."""
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
    """The estimate by stage; *notes* explain what could not be estimated."""

    lines: Mapping[Stage, PlanLine]
    currency: str = ""
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> PlanLine:
        """The sum of all stages; the ends of its intervals are the sums of their ends."""
        lines = list(self.lines.values())
        return reduce(PlanLine.__add__, lines) if lines else PlanLine()

    def as_dict(self) -> dict[str, Any]:
        """Return all lines and their sum as in the JSON output."""
        lines = {str(stage): line.as_dict() for stage, line in self.lines.items()}
        return lines | {"total": self.total.as_dict()}

    def combined_with(self, other: Plan) -> Plan:
        """Return one plan with the stages of both, which may use different models.

        The currency is empty if they use different ones.
        """
        currency = self.currency or other.currency
        if self.currency and other.currency and self.currency != other.currency:
            currency = ""
        return Plan({**self.lines, **other.lines}, currency, (*self.notes, *other.notes))
