"""One call from start to end: its turn, its time, its retries, in the one place that has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from unillmrec.budget import Reservation
from unillmrec.endpoint.calls.circuit_breaker import Circuit
from unillmrec.endpoint.calls.concurrency import ConcurrencyLimiter, NoTurn, Turn
from unillmrec.endpoint.contract import AnswerError, CallError, FailureKind
from unillmrec.endpoint.wire.failures import Failure, Translator
from unillmrec.endpoint.wire.retry_policy import RetryPolicy
from unillmrec.errors import BudgetError
from unillmrec.events import Event, logger
from unillmrec.usage import Usage

if TYPE_CHECKING:
    from unillmrec.endpoint.wire.connection import Connection

# How servers say that they have too much to do, beside a rate limit.
_BUSY = frozenset({503, 529})
_LOG = logger("endpoint")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Value]):
    """What a call returned and took; the fields are those of `Reply`."""

    value: Value
    usage: Usage
    seconds: float
    retries: int
    refused: int


class Downgrade(Protocol):
    """Changes the request so that it may pass, or says that there is nothing to change."""

    def __call__(self, failure: Failure, *, repeated: bool) -> bool:
        """Return whether the request is another one now."""


@dataclass(slots=True)
class _Effort:
    """What one call has taken so far. *same* counts failures of the request as it stands.

    *number* is its place in the queue. It began, with its first turn, at *started*, and may
    take *allowed* seconds, which the deadline of *ticket* may have cut short.
    """

    number: int
    reservation: Reservation | None = None
    started: float | None = None
    allowed: float = 0.0
    usage: Usage = field(default_factory=Usage)
    retries: int = 0
    refused: int = 0
    same: int = 0
    last: Failure | None = None

    def as_error(self, failure: Failure) -> CallError | AnswerError:
        """Return *failure* as the end of this call."""
        return failure.as_error(usage=self.usage, retries=self.retries, refused=self.refused)


class Caller:
    """Makes calls over one connection, as many at a time as the server bears.

    Every attempt waits for its turn, and a call that has to repeat one goes before those that
    began later. *concurrency* is the most that are in flight.
    """

    def __init__(
        self,
        connection: Connection,
        translator: Translator,
        *,
        patience: RetryPolicy,
        concurrency: int,
        timeout_seconds: float,
        sleep: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._translator = translator
        self._patience = patience
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._clock = clock
        self._turns = ConcurrencyLimiter(concurrency, clock)
        self._circuit = Circuit(clock)

    def call(
        self,
        route: str,
        body: Callable[[], Mapping[str, object]],
        read: Callable[[Mapping[str, object]], tuple[Value, Usage]],
        downgrade: Downgrade,
        reservation: Reservation | None = None,
    ) -> Outcome[Value]:
        """Send *body()* until *read* can make something of the answer.

        The time starts when the call gets its first turn. Each repetition is asked of *ticket*.

        Raises:
            CallError, AnswerError: no attempt succeeded, or none was left.
            BudgetError: the ticket does not allow another attempt; the failure is its cause.
        """
        effort = _Effort(self._turns.number(), reservation)
        try:
            with self._circuit.passing(route):
                while True:
                    met = self._attempt(route, body, read, effort)
                    if isinstance(met, Outcome):
                        return met
                    self._go_on(route, met, downgrade, effort)
        except Failure as failure:
            raise effort.as_error(failure) from failure.__cause__

    def close(self) -> None:
        """Let nobody wait for a turn any more."""
        self._turns.close()

    def _attempt(
        self,
        route: str,
        body: Callable[[], Mapping[str, object]],
        read: Callable[[Mapping[str, object]], tuple[Value, Usage]],
        effort: _Effort,
    ) -> Outcome[Value] | Failure:
        """Send once, when it is the turn of this call; return the failure if there is one."""
        with self._turn(effort) as turn:
            # Others may have met a final failure while this one waited.
            self._circuit.check(route)
            if effort.started is None:
                effort.started, effort.allowed = self._clock(), self._time_for(effort.reservation)
            try:
                value, usage = read(self._send(route, body(), effort))
            except Failure as failure:
                self._notice(failure, turn, effort)
                return failure
            self._turns.answered(turn)
            self._circuit.reached()
            seconds = self._clock() - effort.started
            return Outcome(value, effort.usage + usage, seconds, effort.retries, effort.refused)

    @contextmanager
    def _turn(self, effort: _Effort) -> Iterator[Turn]:
        """Wait for a turn, no longer than the call has time.

        Raises:
            Failure: there is none: the one that was to be repeated, or that all is closed.
            BudgetError: the deadline came before the first turn.
        """
        left = self._left(effort)
        if left is None and effort.reservation:
            left = effort.reservation.seconds_left
        try:
            with self._turns.taken(effort.number, left) as turn:
                yield turn
        except NoTurn as error:
            if self._turns.is_closed:
                raise self._translator.closed() from error
            if effort.last:
                raise effort.last from error
            raise BudgetError("deadline", "the deadline came before the turn of a call.") from error

    def _left(self, effort: _Effort) -> float | None:
        if effort.started is None:
            return None
        return effort.started + effort.allowed - self._clock()

    def _time_for(self, reservation: Reservation | None) -> float:
        left = reservation.seconds_left if reservation else None
        return self._timeout_seconds if left is None else min(left, self._timeout_seconds)

    def _send(
        self, route: str, body: Mapping[str, object], effort: _Effort
    ) -> Mapping[str, object]:
        try:
            return self._connection.post(route, body, self._left(effort) or 0.0)
        except TimeoutError as error:
            deadline = effort.allowed < self._timeout_seconds
            raise self._translator.timed_out(effort.allowed, by_deadline=deadline) from error

    def _notice(self, failure: Failure, turn: Turn, effort: _Effort) -> None:
        """Learn from a failure for all calls: how many at once, and when."""
        if failure.has_reached:
            self._circuit.reached()
        late = failure.kind is FailureKind.TIMEOUT and effort.allowed >= self._timeout_seconds
        if failure.kind is FailureKind.RATE or failure.status in _BUSY or late:
            self._turns.too_much(turn)
        if failure.pause is not None and failure.pause <= self._patience.longest_asked_seconds:
            self._turns.pause(failure.pause)

    def _go_on(self, route: str, failure: Failure, downgrade: Downgrade, effort: _Effort) -> None:
        """Prepare the next attempt, or raise what *failure* is for people."""
        effort.usage += failure.usage
        if downgrade(failure, repeated=effort.same > 0):
            self._repeat(failure, effort)
            effort.refused += 1
            effort.same = 0
            return
        pause = self._patience.wait(effort.retries, failure.pause, self._left(effort) or 0.0)
        if not failure.retryable or pause is None:
            asked = failure.pause or 0.0
            rest = asked if asked > self._patience.longest_asked_seconds else None
            self._circuit.failed(route, failure, rest)
            raise failure
        self._sleep(pause)
        self._repeat(failure, effort)
        _LOG.info(Event("retry", kind=failure.kind, status=failure.status, waited=round(pause, 3)))
        effort.retries += 1
        effort.same += 1
        effort.last = failure

    def _repeat(self, failure: Failure, effort: _Effort) -> None:
        """Ask the budget for another attempt."""
        if effort.reservation is None:
            return
        try:
            effort.reservation.repeat(failure.usage)
        except BudgetError as error:
            raise error from effort.as_error(failure)
