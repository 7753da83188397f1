"""One call from start to end: its turn, its time, its retries, in the one place that has them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from unillmrec.budget import Ticket
from unillmrec.endpoint.failures import Failure, Translator
from unillmrec.endpoint.patience import Patience
from unillmrec.errors import BudgetError
from unillmrec.usage import Usage

if TYPE_CHECKING:
    from unillmrec.endpoint.connection import Connection

CHAT = "/chat/completions"
EMBEDDINGS = "/embeddings"

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Value]):
    """What a call returned and took; the fields are those of `Reply`."""

    value: Value
    usage: Usage
    seconds: float
    retries: int
    refused: int


class GiveWay(Protocol):
    """Changes the request so that it may pass, or says that there is nothing to change."""

    def __call__(self, failure: Failure, *, repeated: bool) -> bool:
        """Return whether the request is another one now."""


@dataclass(slots=True)
class _Effort:
    """What one call has taken so far. *same* counts failures of the request as it stands.

    It is over at *until*, which a deadline may bring forward.
    """

    until: float
    ticket: Ticket | None = None
    usage: Usage = field(default_factory=Usage)
    retries: int = 0
    refused: int = 0
    same: int = 0


class Caller:
    """Makes calls over one connection, a bounded number of them at a time."""

    def __init__(
        self,
        connection: Connection,
        translator: Translator,
        *,
        patience: Patience,
        concurrency: int,
        timeout_seconds: float,
        sleep: Callable[[float], object],
    ) -> None:
        self._connection = connection
        self._translator = translator
        self._patience = patience
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._slots = threading.BoundedSemaphore(concurrency)

    def call(
        self,
        route: str,
        body: Callable[[], Mapping[str, object]],
        read: Callable[[Mapping[str, object]], tuple[Value, Usage]],
        give_way: GiveWay,
        ticket: Ticket | None = None,
    ) -> Outcome[Value]:
        """Send *body()* until *read* can make something of the answer.

        The time starts when the call gets its turn. It keeps its turn while it waits: after
        a rate limit, fewer requests at once are what helps. Each repetition is asked of
        *ticket*.

        Raises:
            CallError, AnswerError: no attempt succeeded, or none was left.
            BudgetError: the ticket does not allow another attempt; the failure is its cause.
        """
        with self._slots:
            started = time.monotonic()
            effort = _Effort(started + self._time_for(ticket), ticket)
            while True:
                left = effort.until - time.monotonic()
                try:
                    value, usage = read(self._send(route, body(), left))
                except Failure as failure:
                    self._go_on(failure, give_way, effort)
                    continue
                return Outcome(
                    value,
                    effort.usage + usage,
                    time.monotonic() - started,
                    effort.retries,
                    effort.refused,
                )

    def _time_for(self, ticket: Ticket | None) -> float:
        left = ticket.seconds_left if ticket else None
        return self._timeout_seconds if left is None else min(left, self._timeout_seconds)

    def _send(self, route: str, body: Mapping[str, object], left: float) -> Mapping[str, object]:
        try:
            return self._connection.post(route, body, left)
        except TimeoutError as error:
            raise self._translator.timed_out(self._timeout_seconds) from error

    def _go_on(self, failure: Failure, give_way: GiveWay, effort: _Effort) -> None:
        """Prepare the next attempt, or raise what *failure* is for people."""
        effort.usage += failure.usage
        if give_way(failure, repeated=effort.same > 0):
            self._repeat(failure, effort)
            effort.refused += 1
            effort.same = 0
            return
        left = effort.until - time.monotonic()
        pause = self._patience.wait(effort.retries, failure.pause, left)
        if not failure.retryable or pause is None:
            raise failure.as_error(
                usage=effort.usage, retries=effort.retries, refused=effort.refused
            ) from failure.__cause__
        self._sleep(pause)
        self._repeat(failure, effort)
        effort.retries += 1
        effort.same += 1

    def _repeat(self, failure: Failure, effort: _Effort) -> None:
        """Ask the budget for another attempt."""
        if effort.ticket is None:
            return
        try:
            effort.ticket.repeat(failure.usage)
        except BudgetError as error:
            told = failure.as_error(
                usage=effort.usage, retries=effort.retries, refused=effort.refused
            )
            raise error from told
