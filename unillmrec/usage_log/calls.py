"""One call and what it cost, and the sum of some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from unillmrec.prices import Price
from unillmrec.usage import Usage


@dataclass(frozen=True, slots=True)
class Call:
    """One call and what it cost.

    *kind* is "chat" or "embedding". *usage* covers every answer that was paid for in the
    call, so its `calls` may be more than one, or none. *failure* is empty if there was an
    answer. *retries* and *refused* are those of a reply; *again* says that it asks once more
    after an answer nobody could use. *about* is the branch it asked about, *person* a label
    the user gave. *max_output* is the most it was allowed to write, *price* what its tokens
    cost, if that is known.
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
    """Money by currency.

    *known* is what can be said for sure; *unpriced* is how many calls have a part in their
    cost that cannot be told, for want of a price or of a count.
    """

    known: Mapping[str, float] = field(default_factory=dict)
    unpriced: int = 0

    @property
    def total(self) -> Mapping[str, float] | None:
        """All of it; None if a part is unknown."""
        return None if self.unpriced else self.known


@dataclass(frozen=True, slots=True)
class Error:
    """What we estimated and what the server reported, of the calls that have both."""

    estimated: int = 0
    reported: int = 0

    @property
    def share(self) -> float | None:
        """By how much the estimate is too high, or below nought too low; None if unknown."""
        return self.estimated / self.reported - 1 if self.reported else None


@dataclass(frozen=True, slots=True)
class Line:
    """The sum of some calls; a count is `None` if it is unknown of one of them.

    *rows* counts what was logged, *unknown* those of them without a reported prompt or
    completion, *failed* those without an answer, *again* those that repeat a question.
    *retries* and *refused* are sums. *began* is the time of the first.
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
    prompt_error: Error = Error()
    completion_error: Error = Error()
    costs: Costs = Costs()

    def as_dict(self) -> dict[str, object]:
        """Return the line as the JSON output gives it."""
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
