"""Limits on what a recommendation may spend, and the tracker that enforces them.

The largest possible size of a request is reserved before it is sent, so a limit is never exceeded:
a request that does not fit raises `BudgetError`, and the unused part of a reservation is returned
when the reply reports its usage.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

from unillmrec.errors import BudgetError, SettingsError
from unillmrec.usage import Usage

Limit: TypeAlias = Literal["tokens", "calls", "deadline", "cost"]
Price: TypeAlias = Callable[[int, int], float]
"""The most that this many prompt and completion tokens can cost."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits on spending. None means no limit; zero allows nothing.

    *tokens* counts prompts and completions together, *calls* every request sent, including refused
    and repeated ones; *seconds* is measured from the start; *cost* is in the currency of the
    prices.
    """

    tokens: int | None = None
    calls: int | None = None
    seconds: float | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        for name in ("tokens", "calls", "seconds", "cost"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                problem = "it cannot be below 0" if value < 0 else "it must be a number"
                raise SettingsError(f"the budget of {name} is {value}; {problem}.")

    @property
    def is_set(self) -> bool:
        """Whether there is any limit."""
        return any(
            value is not None for value in (self.tokens, self.calls, self.seconds, self.cost)
        )


class BudgetTracker:
    """Enforces a budget while it is spent; safe to share between threads.

    A budget of cost needs *price*. *overrun* counts tokens that servers reported beyond what was
    reserved for a call, which no client can prevent.
    """

    def __init__(
        self,
        budget: Budget,
        price: Price | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if budget.cost is not None and price is None:
            raise SettingsError(
                "the budget is in money, but the price of the model is unknown.",
                remedy="a price for the model under [prices] in unillmrec.toml, or --max-tokens.",
            )
        self.budget = budget
        self.overrun = 0
        self._price = price or _free
        self._clock = clock
        self._started = clock()
        self._largest = (0, 0)
        self._tokens = 0
        self._calls = 0
        self._cost = 0.0
        # How many reservations are not settled, and whether requests may still wait for them.
        self._in_flight = 0
        self._closed = False
        self._lock = threading.Condition()

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the deadline; None if there is none."""
        if self.budget.seconds is None:
            return None
        return max(0.0, self._started + self.budget.seconds - self._clock())

    @property
    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return self.seconds_left == 0

    @property
    def share_spent(self) -> float:
        """The largest share of a limit that is spent or reserved, from 0 to 1."""
        return max(self._shares().values(), default=0.0)

    @property
    def tightest_limit(self) -> Limit:
        """The limit that will be reached first."""
        shares = self._shares()
        return max(shares, key=lambda limit: shares[limit])

    def _shares(self) -> dict[Limit, float]:
        budget = self.budget
        with self._lock:
            used: dict[Limit, tuple[float, float | None]] = {
                "tokens": (self._tokens, budget.tokens),
                "calls": (self._calls, budget.calls),
                "cost": (self._cost, budget.cost),
                "deadline": (self._clock() - self._started, budget.seconds),
            }
        return {
            limit: min(1.0, spent / most) if most else 1.0
            for limit, (spent, most) in used.items()
            if most is not None
        }

    def reserve(self, prompt: int, completion: int) -> Reservation:
        """Reserve a request of at most this many tokens, waiting for room where the class does.

        Raises:
            BudgetError: it does not fit; nothing is set aside.
        """
        with self._lock:
            self.take(prompt, completion)
            self._largest = max(self._largest, (prompt, completion), key=sum)
            self._in_flight += 1
        return Reservation(self, prompt, completion)

    def fitting(self, share: float) -> int:
        """Return how many more of the largest requests so far fit into *share* of the budget."""
        prompt, completion = self._largest
        sizes: list[tuple[float, float | None, float]] = [
            (self._calls, self.budget.calls, 1),
            (self._tokens, self.budget.tokens, prompt + completion),
            (self._cost, self.budget.cost, self._price(prompt, completion)),
        ]
        with self._lock:
            counts = [
                int((share * most - spent + 1e-9) / size) if most and size else 0
                for spent, most, size in sizes
                if most is not None
            ]
        return max(0, min(counts, default=1_000))

    def take(self, prompt: int, completion: int) -> None:
        """Count this much as spent; `reserve` does this for a call."""
        passed = self._passed(prompt, completion)
        if passed is not None:
            raise BudgetError(passed, f"the budget of {passed} is spent.")
        self._calls += 1
        self._tokens += prompt + completion
        self._cost += self._price(prompt, completion)

    def reserve_retry(self, prompt: int, completion: int) -> None:
        """Reserve the same size again for another attempt of a call in progress.

        Raises:
            BudgetError: it does not fit; nothing is set aside.
        """
        with self._lock:
            self.take(prompt, completion)

    def settled(self) -> None:
        """Note that a call is over and will return nothing more."""
        with self._lock:
            self._in_flight -= 1
            self._lock.notify_all()

    def unsettled(self) -> None:
        """Note that a call is in progress which may return part of its reservation."""
        with self._lock:
            self._in_flight += 1

    def _passed(self, prompt: int, completion: int) -> Limit | None:
        budget = self.budget
        if self.is_late:
            return "deadline"
        if budget.calls is not None and self._calls + 1 > budget.calls:
            return "calls"
        if budget.tokens is not None and self._tokens + prompt + completion > budget.tokens:
            return "tokens"
        cost = self._price(prompt, completion)
        if budget.cost is not None and self._cost + cost > budget.cost:
            return "cost"
        return None

    def give_back(self, prompt: int, completion: int) -> None:
        """Return the unused part of a reservation; a negative amount is an overrun."""
        self._tokens -= prompt + completion
        self._cost -= self._price(prompt, completion)
        self.overrun += max(0, -(prompt + completion))

    def uncount(self, calls: int) -> None:
        """Subtract calls that were not sent."""
        self._calls -= calls


class WaitingBudgetTracker(BudgetTracker):
    """Makes a request wait for room while calls in flight may still return some.

    Calls usually use less than they reserve, so a request is refused only when none is in flight.
    """

    def reserve(self, prompt: int, completion: int) -> Reservation:
        """Reserve a request of at most this many tokens, waiting for room where the class does.

        Raises:
            BudgetError: there is none, and no call in flight; or `close` was called meanwhile.
        """
        with self._lock:
            self._wait_for_room(prompt, completion)
            return super().reserve(prompt, completion)

    def reserve_retry(self, prompt: int, completion: int) -> None:
        """Reserve the same size again for another attempt of a call in progress.

        Raises:
            BudgetError: as `reserve` does.
        """
        with self._lock:
            # Two calls that both wait to be repeated must not wait for each other.
            self._in_flight -= 1
            self._lock.notify_all()
            try:
                self._wait_for_room(prompt, completion)
                self.take(prompt, completion)
            finally:
                self._in_flight += 1

    def _wait_for_room(self, prompt: int, completion: int) -> None:
        while self._in_flight and (passed := self._passed(prompt, completion)):
            if self._closed or passed == "deadline":
                raise BudgetError(passed, f"the budget of {passed} is spent.")
            left = self.seconds_left
            self._lock.wait(None if left is None else min(left, threading.TIMEOUT_MAX))

    def close(self) -> None:
        """Make every waiting request fail instead of waiting on."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()


class Reservation:
    """What is reserved for one call, and for each repetition of it."""

    def __init__(self, tracker: BudgetTracker, prompt: int, completion: int) -> None:
        self._tracker = tracker
        self._size = (prompt, completion)
        self._attempts = 1
        self._is_open = True

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the deadline; None if there is none."""
        return self._tracker.seconds_left

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let other requests proceed while this call waits for something else."""
        self._tracker.settled()
        try:
            yield
        finally:
            self._tracker.unsettled()

    def repeat(self, failed: Usage) -> None:
        """Reserve another attempt, after one that used *failed*.

        Raises:
            BudgetError: it does not fit.
        """
        # An attempt that was refused outright cost nothing; any other may have cost something.
        if not failed.calls:
            with self._tracker._lock:
                self._tracker.give_back(*self._size)
            self._attempts -= 1
        self._tracker.reserve_retry(*self._size)
        self._attempts += 1

    def settle(self, usage: Usage, *, sent: bool = True) -> None:
        """Return what all attempts together did not use.

        An unknown usage counts as the whole reservation. A request that was not *sent*, because
        its answer was cached, does not count as a call.
        """
        prompt, completion = (size * self._attempts for size in self._size)
        if not usage.calls:
            taken = (0, 0)
        elif usage.prompt is None or usage.completion is None:
            taken = (prompt, completion)
        else:
            taken = (usage.prompt, usage.completion)
        with self._tracker._lock:
            self._tracker.give_back(prompt - taken[0], completion - taken[1])
            self._tracker.uncount(0 if sent else self._attempts)
        if self._is_open:
            self._tracker.settled()
        self._attempts = 0
        self._is_open = False


def _free(prompt: int, completion: int) -> float:
    return 0.0
