"""What stops sending where it cannot help: a bad key, no money left, a server that is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from unillmrec.endpoint.contract import FailureKind
from unillmrec.endpoint.wire.failures import Failure
from unillmrec.events import Event, logger

# So many calls in a row, each with its own repetitions, and nobody was there.
_UNREACHED = 3
_REST_SECONDS = 10.0
_LOG = logger("endpoint")


class Circuit:
    """Remembers failures that the next call would only meet again.

    A key that is refused and an account that is empty end all calls, an unknown model those to
    the same route. A server that asks to be left alone for longer than anybody waits gets its
    rest. One that cannot be reached, three calls in a row, is tried again after some seconds
    with one call, and by all others when that one has got through.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._final: dict[str, Failure] = {}
        self._resting: Failure | None = None
        self._until = 0.0
        self._unreached = 0
        self._probing = False
        self._lock = threading.Lock()

    @contextmanager
    def passing(self, route: str) -> Iterator[None]:
        """Let one call through.

        Raises:
            Failure: it would be in vain; what an earlier call met.
        """
        probe = self._let_through(route)
        try:
            yield
        finally:
            if probe:
                with self._lock:
                    self._probing = False

    def check(self, route: str) -> None:
        """Do nothing while there is no final failure.

        Raises:
            Failure: there is one by now.
        """
        with self._lock:
            failure = self._final.get("") or self._final.get(route)
        if failure:
            raise failure.again()

    def reached(self) -> None:
        """Remember that the server is there."""
        with self._lock:
            self._unreached = 0
            # Answers to what was sent before say nothing about the rest a server asks for.
            if self._probing or (self._resting and self._resting.kind is FailureKind.UNREACHABLE):
                self._resting = None

    def failed(self, route: str, failure: Failure, rest: float | None = None) -> None:
        """Remember that a call ended in *failure*; *rest* is how long nobody should come back."""
        with self._lock:
            if failure.kind in (FailureKind.KEY, FailureKind.MONEY):
                self._final.setdefault("", failure)
            elif failure.kind is FailureKind.MODEL:
                self._final.setdefault(route, failure)
            elif rest is not None:
                self._rest(failure, rest)
            elif failure.kind is FailureKind.UNREACHABLE:
                self._unreached += 1
                if self._unreached < _UNREACHED:
                    return
                self._rest(failure, _REST_SECONDS)
            else:
                return
        _LOG.info(Event("stopped sending", kind=failure.kind, status=failure.status))

    def _rest(self, failure: Failure, seconds: float) -> None:
        self._resting, self._until = failure, self._clock() + seconds

    def _let_through(self, route: str) -> bool:
        """Return whether the call is the one that finds out whether the server is back."""
        self.check(route)
        with self._lock:
            if self._resting is None:
                return False
            if self._probing or self._clock() < self._until:
                raise self._resting.again()
            self._probing = True
            return True
