"""Make one call: wait for a slot, send, read, retry, within its time and its budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from unillmrec.budget import Reservation
from unillmrec.endpoint.calls.circuit_breaker import CircuitBreaker
from unillmrec.endpoint.calls.concurrency import ConcurrencyLimiter, NoSlotError, Slot
from unillmrec.endpoint.contract import AnswerError, CallError, FailureKind
from unillmrec.endpoint.wire.failures import Failure, FailureTranslator
from unillmrec.endpoint.wire.retry_policy import RetryPolicy
from unillmrec.errors import BudgetError
from unillmrec.events import Event, logger
from unillmrec.usage import Usage

if TYPE_CHECKING:
    from unillmrec.endpoint.wire.connection import Connection

# How servers say that they are overloaded, beside a rate limit.
_OVERLOAD = frozenset({503, 529})
_LOG = logger("endpoint")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class CallResult(Generic[Value]):
    """What *read* returned for the answer, and what the call took; fields as in `Reply`."""

    value: Value
    usage: Usage
    seconds: float
    retries: int
    refused: int


class Downgrade(Protocol):
    """Changes the parameters of a request after a failure."""

    def __call__(self, failure: Failure, *, repeated: bool) -> bool:
        """Return whether the next attempt sends a changed request."""


@dataclass(slots=True)
class _CallState:
    """What one call has taken so far.

    *started* is when it got its first slot; it may take *allowed* seconds from then on, which
    the deadline of *reservation* may have shortened. *same_request* counts the failures of the
    request as it is now, and *last* is the latest failure.
    """

    priority: int
    reservation: Reservation | None = None
    started: float | None = None
    allowed: float = 0.0
    usage: Usage = field(default_factory=Usage)
    retries: int = 0
    refused: int = 0
    same_request: int = 0
    last: Failure | None = None

    def as_error(self, failure: Failure) -> CallError | AnswerError:
        """Return the error to raise when the call ends with *failure*."""
        return failure.as_error(usage=self.usage, retries=self.retries, refused=self.refused)


class Caller:
    """Makes calls over one connection, at most *concurrency* at a time.

    Every attempt waits for a slot; the retry of an older call goes before newer calls.
    """

    def __init__(
        self,
        connection: Connection,
        translator: FailureTranslator,
        *,
        retry_policy: RetryPolicy,
        concurrency: int,
        timeout_seconds: float,
        sleep: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._translator = translator
        self._retry_policy = retry_policy
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._clock = clock
        self._limiter = ConcurrencyLimiter(concurrency, clock)
        self._circuit = CircuitBreaker(clock)

    def call(
        self,
        route: str,
        body: Callable[[], Mapping[str, object]],
        read: Callable[[Mapping[str, object]], tuple[Value, Usage]],
        downgrade: Downgrade,
        reservation: Reservation | None = None,
    ) -> CallResult[Value]:
        """Send *body()* until *read* accepts the answer, or until retrying cannot help.

        The time starts with the first slot. *reservation* must allow each further attempt.

        Raises:
            CallError, AnswerError: no attempt succeeded.
            BudgetError: the budget allows no further attempt; the failure is its cause.
        """
        state = _CallState(self._limiter.new_priority(), reservation)
        try:
            with self._circuit.guard(route):
                while True:
                    result = self._attempt(route, body, read, state)
                    if isinstance(result, CallResult):
                        return result
                    self._prepare_retry(route, result, downgrade, state)
        except Failure as failure:
            raise state.as_error(failure) from failure.__cause__

    def close(self) -> None:
        """End every wait for a slot."""
        self._limiter.close()

    def _attempt(
        self,
        route: str,
        body: Callable[[], Mapping[str, object]],
        read: Callable[[Mapping[str, object]], tuple[Value, Usage]],
        state: _CallState,
    ) -> CallResult[Value] | Failure:
        """Send once, when there is a slot; return the result or the failure."""
        with self._slot(state) as slot:
            # Another call may have met a permanent failure while this one waited.
            self._circuit.check(route)
            if state.started is None:
                state.started, state.allowed = self._clock(), self._time_for(state.reservation)
            try:
                value, usage = read(self._send(route, body(), state))
            except Failure as failure:
                self._record_failure(failure, slot, state)
                return failure
            self._limiter.record_answer()
            self._circuit.record_contact()
            seconds = self._clock() - state.started
            return CallResult(value, state.usage + usage, seconds, state.retries, state.refused)

    @contextmanager
    def _slot(self, state: _CallState) -> Iterator[Slot]:
        """Wait for a slot, no longer than the call has time.

        Raises:
            Failure: there is none; the failure that was to be retried, or that all is closed.
            BudgetError: the deadline came before the first slot.
        """
        left = self._seconds_left(state)
        if left is None and state.reservation:
            left = state.reservation.seconds_left
        try:
            with self._limiter.slot(state.priority, left) as slot:
                yield slot
        except NoSlotError as error:
            if self._limiter.is_closed:
                raise self._translator.closed() from error
            if state.last:
                raise state.last from error
            raise BudgetError(
                "deadline", "the deadline came before the call could be sent."
            ) from error

    def _seconds_left(self, state: _CallState) -> float | None:
        if state.started is None:
            return None
        return state.started + state.allowed - self._clock()

    def _time_for(self, reservation: Reservation | None) -> float:
        left = reservation.seconds_left if reservation else None
        return self._timeout_seconds if left is None else min(left, self._timeout_seconds)

    def _send(
        self, route: str, body: Mapping[str, object], state: _CallState
    ) -> Mapping[str, object]:
        try:
            return self._connection.post(route, body, self._seconds_left(state) or 0.0)
        except TimeoutError as error:
            by_deadline = state.allowed < self._timeout_seconds
            raise self._translator.timed_out(state.allowed, by_deadline=by_deadline) from error

    def _record_failure(self, failure: Failure, slot: Slot, state: _CallState) -> None:
        """Adapt the limit and the pause for all calls after one attempt failed."""
        if failure.reached_server:
            self._circuit.record_contact()
        timed_out = failure.kind is FailureKind.TIMEOUT and state.allowed >= self._timeout_seconds
        if failure.kind is FailureKind.RATE or failure.status in _OVERLOAD or timed_out:
            self._limiter.record_overload(slot)
        if failure.retry_after is not None and not self._is_too_long(failure.retry_after):
            self._limiter.pause(failure.retry_after)

    def _is_too_long(self, pause: float) -> bool:
        return pause > self._retry_policy.longest_retry_after_seconds

    def _prepare_retry(
        self, route: str, failure: Failure, downgrade: Downgrade, state: _CallState
    ) -> None:
        """Change the request or wait before the next attempt, or raise *failure* if it is final."""
        state.usage += failure.usage
        if downgrade(failure, repeated=state.same_request > 0):
            self._reserve_retry(failure, state)
            state.refused += 1
            state.same_request = 0
            return
        left = self._seconds_left(state) or 0.0
        wait = self._retry_policy.wait(state.retries, failure.retry_after, left)
        if not failure.retryable or wait is None:
            demanded = failure.retry_after or 0.0
            pause = demanded if self._is_too_long(demanded) else None
            self._circuit.record_failure(route, failure, pause)
            raise failure
        self._sleep(wait)
        self._reserve_retry(failure, state)
        _LOG.info(Event("retry", kind=failure.kind, status=failure.status, waited=round(wait, 3)))
        state.retries += 1
        state.same_request += 1
        state.last = failure

    def _reserve_retry(self, failure: Failure, state: _CallState) -> None:
        """Take another attempt out of the budget.

        Raises:
            BudgetError: it does not fit; *failure* is its cause.
        """
        if state.reservation is None:
            return
        try:
            state.reservation.repeat(failure.usage)
        except BudgetError as error:
            raise error from state.as_error(failure)
