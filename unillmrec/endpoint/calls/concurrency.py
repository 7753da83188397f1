"""Limit how many requests are in flight, and adapt the limit to what the server can take."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from unillmrec.events import Event, logger

# The limit at the start. While nothing fails, each answer raises it by one, so that it doubles
# with every round.
INITIAL_LIMIT = 8
_LOG = logger("endpoint")


class NoSlotError(Exception):
    """No slot became free in time, or the limiter was closed."""


@dataclass(slots=True)
class Slot:
    """Permission for one attempt to be in flight, since *acquired_at*."""

    acquired_at: float


@dataclass(slots=True, order=True)
class _Waiter:
    """One attempt in the queue. *wake* makes its thread look again; *admitted* is its slot."""

    priority: int
    wake: threading.Event = field(default_factory=threading.Event, compare=False)
    admitted: bool = field(default=False, compare=False)


class ConcurrencyLimiter:
    """Hands out slots to the attempts of all threads; the oldest call goes first.

    The limit never exceeds *max_limit*. It grows by one for each round of good answers, and is
    halved when the server is overloaded. A pause that the server demands of one attempt holds
    for all.
    """

    def __init__(self, max_limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.max_limit = max_limit
        self._clock = clock
        self._limit = float(min(max_limit, INITIAL_LIMIT))
        self._was_overloaded = False
        self._last_halved = float("-inf")
        self._paused_until = float("-inf")
        self._in_flight = 0
        self._queue: list[_Waiter] = []
        self._priorities = itertools.count()
        self._closed = False
        self._lock = threading.Lock()

    @property
    def limit(self) -> int:
        """How many attempts may be in flight at present."""
        return int(self._limit)

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def new_priority(self) -> int:
        """Return the queue position of a new call, which it keeps for all its attempts."""
        return next(self._priorities)

    @contextmanager
    def slot(self, priority: int, timeout: float | None) -> Iterator[Slot]:
        """Wait at most *timeout* seconds for a slot, and release it at the end.

        Raises:
            NoSlotError: the time is over, or `close` was called.
        """
        slot = self._acquire(priority, None if timeout is None else self._clock() + timeout)
        try:
            yield slot
        finally:
            with self._lock:
                self._in_flight -= 1
                self._admit()

    def record_answer(self) -> None:
        """Raise the limit after a good answer."""
        with self._lock:
            # A limit that is not used up shows nothing about what the server could take.
            if self._in_flight * 2 >= self._limit:
                step = 1 / self._limit if self._was_overloaded else 1.0
                self._limit = min(float(self.max_limit), self._limit + step)
                self._admit()

    def record_overload(self, slot: Slot) -> None:
        """Halve the limit, once for all attempts that were in flight together with *slot*."""
        with self._lock:
            if slot.acquired_at <= self._last_halved:
                return
            # Whatever lies beyond the number in use was never tried.
            self._limit = max(1.0, min(self._limit, max(self._in_flight, INITIAL_LIMIT)) / 2)
            self._was_overloaded = True
            self._last_halved = self._clock()
            limit = self.limit
        _LOG.info(Event("concurrency lowered", limit=limit, max_limit=self.max_limit))

    def pause(self, seconds: float) -> None:
        """Hand out no slot for *seconds*, because the server demands a pause."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)
            # Every waiting thread must recompute when to look again.
            self._wake_all()
        _LOG.info(Event("pause", seconds=round(seconds, 3)))

    def close(self) -> None:
        """Make every present and later wait for a slot raise `NoSlotError`."""
        with self._lock:
            self._closed = True
            self._wake_all()

    def _acquire(self, priority: int, deadline: float | None) -> Slot:
        waiter = _Waiter(priority)
        with self._lock:
            heapq.heappush(self._queue, waiter)
            self._admit()
        try:
            while not self._is_admitted(waiter, deadline):
                waiter.wake.wait(self._longest_wait(deadline))
                waiter.wake.clear()
        except BaseException:
            self._withdraw(waiter)
            raise
        return Slot(self._clock())

    def _is_admitted(self, waiter: _Waiter, deadline: float | None) -> bool:
        with self._lock:
            self._admit()
            late = deadline is not None and self._clock() >= deadline and not waiter.admitted
            if self._closed or late:
                raise NoSlotError
            return waiter.admitted

    def _longest_wait(self, deadline: float | None) -> float | None:
        """Return after how many seconds a waiter must look again, even if no slot was released."""
        now = self._clock()
        moments = [deadline] if deadline is not None else []
        if self._paused_until > now:
            moments.append(self._paused_until)
        # A timer may fire slightly early, and looking again at once would spin.
        wait = max(0.001, min(moments) - now) if moments else None
        # `Event.wait` takes no longer timeout than this; waking up early does no harm.
        return None if wait is None else min(wait, threading.TIMEOUT_MAX)

    def _admit(self) -> None:
        """Admit the first waiters while the limit allows it."""
        while (
            self._queue
            and self._in_flight < int(self._limit)
            and self._clock() >= self._paused_until
        ):
            waiter = heapq.heappop(self._queue)
            self._in_flight += 1
            waiter.admitted = True
            waiter.wake.set()

    def _withdraw(self, waiter: _Waiter) -> None:
        """Leave the queue, or release the slot that was handed out meanwhile."""
        with self._lock:
            if waiter.admitted:
                self._in_flight -= 1
                self._admit()
            else:
                self._queue.remove(waiter)
                heapq.heapify(self._queue)

    def _wake_all(self) -> None:
        for waiter in self._queue:
            waiter.wake.set()
