"""Stop sending when it cannot help: a bad key, an empty account, a server that is down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from unillmrec.endpoint.contract import FailureKind
from unillmrec.endpoint.wire.failures import Failure
from unillmrec.events import Event, logger

# After so many calls in a row that reached nobody, each with its own retries, the server is
# taken to be down.
_UNREACHABLE_CALLS = 3
_COOLDOWN_SECONDS = 10.0
# Fails every call, on whatever route.
_ALL_ROUTES = ""
_LOG = logger("endpoint")


class CircuitBreaker:
    """Fails calls early that would only repeat an earlier failure.

    A rejected key and an empty account block all calls for good, an unknown model those to the
    same route. A server that demands a longer pause than any call would wait is not called before
    the pause is over. One that three calls in a row could not reach is tried again with a single
    call after some seconds; the other calls resume once that one gets through.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._permanent: dict[str, Failure] = {}
        self._temporary: Failure | None = None
        self._blocked_until = 0.0
        self._unreachable_calls = 0
        self._probing = False
        self._lock = threading.Lock()

    @contextmanager
    def guard(self, route: str) -> Iterator[None]:
        """Let one call through.

        Raises:
            Failure: the call would fail as an earlier one did.
        """
        is_probe = self._enter(route)
        try:
            yield
        finally:
            if is_probe:
                with self._lock:
                    self._probing = False

    def check(self, route: str) -> None:
        """Return if no permanent failure has been recorded for *route*.

        Raises:
            Failure: there is one.
        """
        with self._lock:
            failure = self._permanent.get(_ALL_ROUTES) or self._permanent.get(route)
        if failure:
            raise failure.without_request()

    def record_contact(self) -> None:
        """Record that the server answered, even if with an error."""
        with self._lock:
            self._unreachable_calls = 0
            # Late answers to earlier requests do not end a pause that the server demands.
            temporary = self._temporary
            if self._probing or (temporary and temporary.kind is FailureKind.UNREACHABLE):
                self._temporary = None

    def record_failure(self, route: str, failure: Failure, pause: float | None = None) -> None:
        """Record how a call ended; *pause* is set if the server wants no call for so long."""
        with self._lock:
            if failure.kind in (FailureKind.KEY, FailureKind.MONEY):
                self._permanent.setdefault(_ALL_ROUTES, failure)
            elif failure.kind is FailureKind.MODEL:
                self._permanent.setdefault(route, failure)
            elif pause is not None:
                self._block(failure, pause)
            elif failure.kind is FailureKind.UNREACHABLE:
                self._unreachable_calls += 1
                if self._unreachable_calls < _UNREACHABLE_CALLS:
                    return
                self._block(failure, _COOLDOWN_SECONDS)
            else:
                return
        _LOG.info(Event("stopped sending", kind=failure.kind, status=failure.status))

    def _block(self, failure: Failure, seconds: float) -> None:
        self._temporary, self._blocked_until = failure, self._clock() + seconds

    def _enter(self, route: str) -> bool:
        """Return whether this call is the one that probes if the server is back."""
        self.check(route)
        with self._lock:
            if self._temporary is None:
                return False
            if self._probing or self._clock() < self._blocked_until:
                raise self._temporary.without_request()
            self._probing = True
            return True
