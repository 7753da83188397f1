"""The options of a batch, and the report of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from unillmrec.batch.journal import FailedRow
from unillmrec.budget import Budget
from unillmrec.errors import UnillmrecError
from unillmrec.prices import Money, Price
from unillmrec.stages import Options
from unillmrec.usage import Stage, Usage


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How to run a batch.

    *recommend*, *where* and *exclude* are as for one person. *at_once* is the number of people
    in work at the same time. *unordered* writes lines as soon as they are finished, instead of
    in the order of the input. *restart* discards what earlier runs did. *budget* is for the
    whole batch, over all of its runs, except that its seconds count for one run.
    """

    recommend: Options = field(default_factory=Options)
    where: str | None = None
    exclude: tuple[str, ...] = ()
    at_once: int = 12
    unordered: bool = False
    restart: bool = False
    budget: Budget = field(default_factory=Budget)


@dataclass(slots=True)
class BatchReport:
    """What was done over all runs of a batch; *people* is an estimate of their number.

    Earlier runs did *resumed* of those *done*. *skipped* rows are unusable; *failed* ones are
    retried by the next run. *cost* is None if a token count is unknown, *known_cost* is the cost
    of the other calls; without a price, both are None. *stopped* is the error that ended the run
    early, *worst* the error of the first person who failed.
    """

    judge: str
    people: int
    done: int = 0
    resumed: int = 0
    skipped: int = 0
    failed: list[FailedRow] = field(default_factory=list)
    usage: dict[Stage, Usage] = field(default_factory=dict)
    cost: Money | None = None
    known_cost: Money | None = None
    seconds: float = 0.0
    finished: bool = False
    stopped: UnillmrecError | None = None
    worst: UnillmrecError | None = None

    def total_usage(self) -> Usage:
        """Return the sum over all stages."""
        return sum(self.usage.values(), Usage())

    def set_cost(self, price: Price | None) -> None:
        """Compute the cost of the usage, if there is a price."""
        if price:
            total = self.total_usage()
            self.cost = price.cost_of(total)
            self.known_cost = Money(price.known_cost(total), price.currency)
