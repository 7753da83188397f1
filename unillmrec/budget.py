"""What a recommendation may take, and the purse that is asked before every request.

The size of a request is set aside before it is sent, so that a limit is never passed: what
does not fit any more is refused with a `BudgetError`, and what was set aside in excess comes
back when the answer says what it took.
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
"""What so many prompt and completion tokens cost, at most."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that may be spent; None is no limit, and zero is nothing at all.

    *tokens* are those of prompts and completions together, *calls* the requests that are
    sent, refused and repeated ones included; *seconds* is the time from the start; *cost* is
    in the currency of the prices.
    """

    tokens: int | None = None
    calls: int | None = None
    seconds: float | None = None
    cost: float | None = None

    def __post_init__(self) -> None:
        for name in ("tokens", "calls", "seconds", "cost"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                told = "it cannot be below 0" if value < 0 else "it must be a number"
                raise SettingsError(f"the budget of {name} is {value}; {told}.")

    @property
    def is_set(self) -> bool:
        """Whether there is any limit."""
        return any(
            value is not None for value in (self.tokens, self.calls, self.seconds, self.cost)
        )


class BudgetTracker:
    """A budget while it is spent; safe to share between threads.

    *price* is needed for a budget of cost. *overrun* counts the tokens that servers reported
    beyond what was set aside for a call, the one thing no client can prevent.
    """

    def __init__(
        self,
        budget: Budget,
        price: Price | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if budget.cost is not None and price is None:
            raise SettingsError(
                "the budget is in money, and the model's price is not known.",
                remedy="[prices] in unillmrec.toml, pip install 'unillmrec[prices]' for the prices "
                "of hosted models, or --max-tokens.",
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
        # The tickets that are not settled, and whether anybody may wait for them.
        self._out = 0
        self._closed = False
        self._lock = threading.Condition()

    @property
    def seconds_left(self) -> float | None:
        """The time that is left; None if there is no deadline."""
        if self.budget.seconds is None:
            return None
        return max(0.0, self._started + self.budget.seconds - self._clock())

    @property
    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return self.seconds_left == 0

    @property
    def share_spent(self) -> float:
        """How much of the scarcest part of the budget is spent or set aside, from 0 to 1."""
        return max(self._shares().values(), default=0.0)

    @property
    def scarcest(self) -> Limit:
        """The part of the budget that will be spent first."""
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
        """Set a request of at most so many tokens aside.

        Raises:
            BudgetError: it does not fit; nothing is set aside.
        """
        with self._lock:
            self.take(prompt, completion)
            self._largest = max(self._largest, (prompt, completion), key=sum)
            self._out += 1
        return Reservation(self, prompt, completion)

    def fitting(self, share: float) -> int:
        """Return how many more requests, as large as any so far, stay within a share."""
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
        """Set so much aside; `reserve` does it for a call."""
        passed = self._passed(prompt, completion)
        if passed is not None:
            raise BudgetError(passed, f"the budget of {passed} is spent.")
        self._calls += 1
        self._tokens += prompt + completion
        self._cost += self._price(prompt, completion)

    def reserve_retry(self, prompt: int, completion: int) -> None:
        """Set as much aside for another attempt of a call that is under way.

        Raises:
            BudgetError: it does not fit; nothing is set aside.
        """
        with self._lock:
            self.take(prompt, completion)

    def settled(self) -> None:
        """Note that a call is over, and gives nothing back any more."""
        with self._lock:
            self._out -= 1
            self._lock.notify_all()

    def unsettled(self) -> None:
        """Note that a call goes on that may give something back."""
        with self._lock:
            self._out += 1

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
        """Return what was set aside and not needed; less than nothing is an overrun."""
        self._tokens -= prompt + completion
        self._cost -= self._price(prompt, completion)
        self.overrun += max(0, -(prompt + completion))

    def uncount(self, calls: int) -> None:
        """Take back calls that were not sent."""
        self._calls -= calls


class WaitingBudgetTracker(BudgetTracker):
    """A purse that refuses a call only when none in flight can give anything back any more.

    What calls set aside is mostly more than they take: who does not fit waits for them.
    """

    def reserve(self, prompt: int, completion: int) -> Reservation:
        """Set a request aside, once there is room for it.

        Raises:
            BudgetError: there is none, and no call in flight; or `close` was called meanwhile.
        """
        with self._lock:
            self._wait_for_room(prompt, completion)
            return super().reserve(prompt, completion)

    def reserve_retry(self, prompt: int, completion: int) -> None:
        """Set as much aside for another attempt, once there is room for it.

        Raises:
            BudgetError: as `reserve` does.
        """
        with self._lock:
            # Of two calls that wait to be repeated, neither gives the other anything.
            self._out -= 1
            self._lock.notify_all()
            try:
                self._wait_for_room(prompt, completion)
                self.take(prompt, completion)
            finally:
                self._out += 1

    def _wait_for_room(self, prompt: int, completion: int) -> None:
        while self._out and (passed := self._passed(prompt, completion)):
            if self._closed or passed == "deadline":
                raise BudgetError(passed, f"the budget of {passed} is spent.")
            left = self.seconds_left
            self._lock.wait(None if left is None else min(left, threading.TIMEOUT_MAX))

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()


class Reservation:
    """What is set aside for one call: the request, and each repetition of it."""

    def __init__(self, tracker: BudgetTracker, prompt: int, completion: int) -> None:
        self._purse = tracker
        self._size = (prompt, completion)
        self._attempts = 1
        self._is_open = True

    @property
    def seconds_left(self) -> float | None:
        """The time that is left; None if there is no deadline."""
        return self._purse.seconds_left

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Wait for somebody else inside: meanwhile nobody waits for what this call gives back."""
        self._purse.settled()
        try:
            yield
        finally:
            self._purse.unsettled()

    def repeat(self, failed: Usage) -> None:
        """Set as much aside for another attempt, after one that took *failed*.

        Raises:
            BudgetError: it does not fit.
        """
        # An attempt that was refused outright has cost nothing; any other may have.
        if not failed.calls:
            with self._purse._lock:
                self._purse.give_back(*self._size)
            self._attempts -= 1
        self._purse.reserve_retry(*self._size)
        self._attempts += 1

    def settle(self, usage: Usage, *, sent: bool = True) -> None:
        """Give back what all attempts together did not take; what is unknown was taken whole.

        What was not *sent*, because the answer was known already, is not a call either.
        """
        prompt, completion = (size * self._attempts for size in self._size)
        if not usage.calls:
            taken = (0, 0)
        elif usage.prompt is None or usage.completion is None:
            taken = (prompt, completion)
        else:
            taken = (usage.prompt, usage.completion)
        with self._purse._lock:
            self._purse.give_back(prompt - taken[0], completion - taken[1])
            self._purse.uncount(0 if sent else self._attempts)
        if self._is_open:
            self._purse.settled()
        self._attempts = 0
        self._is_open = False


def _free(prompt: int, completion: int) -> float:
    return 0.0
