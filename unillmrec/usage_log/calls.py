"""One logged call, and the sum of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from unillmrec.usage import Usage

if TYPE_CHECKING:
    from unillmrec.prices import Price


@dataclass(frozen=True, slots=True)
class Call:
    """One call and what it cost.

    *kind* is "chat" or "embedding". *usage* covers every paid attempt, so its `calls` may be more
    than one, or 0. *failure* is empty for a call with a reply. *retries* and *refused* are those
    of the reply; *again* marks a question that is repeated after an unusable reply. *about* is
    the branch in question, *person* the label that the user gave to a person. *max_output* is the
    output limit in tokens, *price* the price of the model, if it is known.
    """

    stage: str
    kind: str
    model: str
    endpoint: str
    usage: Usage
    asked_with: str = ""
    failure: str = ""
    seconds: float = 0.0
    retries: int = 0
    refused: int = 0
    again: bool = False
    about: str = ""
    person: str = ""
    max_output: int = 0
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Costs:
    """Amounts of money by currency.

    *known* are the certain amounts; *unpriced* counts the calls whose cost is unknown in part,
    because a price or a token count is missing.
    """

    known: Mapping[str, float] = field(default_factory=dict)
    unpriced: int = 0

    @property
    def total(self) -> Mapping[str, float] | None:
        """The full cost; None if part of it is unknown."""
        return None if self.unpriced else self.known


@dataclass(frozen=True, slots=True)
class EstimateError:
    """Estimated and reported tokens of the calls that have both."""

    estimated: int = 0
    reported: int = 0

    @property
    def share(self) -> float | None:
        """The relative error: positive if the estimate was too high; None if unknown."""
        return self.estimated / self.reported - 1 if self.reported else None


@dataclass(frozen=True, slots=True)
class UsageLine:
    """The sum of several calls; a token count is `None` if one of them lacks it.

    *rows* counts the logged calls, *unknown* those without a reported prompt or completion count,
    *failed* those without a reply, *again* those that repeat a question. *retries* and *refused*
    are sums. *began* is the time of the first call.
    """

    key: str
    usage: Usage = field(default_factory=Usage)
    rows: int = 0
    unknown: int = 0
    failed: int = 0
    seconds: float = 0.0
    began: str = ""
    command: str = ""
    retries: int = 0
    refused: int = 0
    again: int = 0
    prompt_error: EstimateError = EstimateError()
    completion_error: EstimateError = EstimateError()
    costs: Costs = Costs()

    def as_dict(self) -> dict[str, object]:
        """Return the line in its `--json` form."""
        return {
            "key": self.key,
            "usage": self.usage.as_dict(),
            "known": {"prompt": self.usage.known_prompt, "completion": self.usage.known_completion},
            "rows": self.rows,
            "unknown": self.unknown,
            "failed": self.failed,
            "retries": self.retries,
            "refused": self.refused,
            "again": self.again,
            "prompt_error": _rounded(self.prompt_error.share),
            "completion_error": _rounded(self.completion_error.share),
            "cost": _money(self.costs.total),
            "known_cost": _money(self.costs.known),
            "unpriced": self.costs.unpriced,
            "seconds": round(self.seconds, 3),
            "began": self.began,
            "command": self.command,
        }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _money(sums: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if sums is None else {name: round(value, 8) for name, value in sums.items()}
