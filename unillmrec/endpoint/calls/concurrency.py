"""Whose turn it is to send: as many at once as the server bears, found out by sending."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from unillmrec.events import Event, logger

# A server nobody knows yet is not met with a crowd. While nothing goes wrong, each answer makes
# room for one more, which doubles the number with every round.
FIRST = 8
_LOG = logger("endpoint")


class NoTurn(Exception):
    """Whoever waited for a turn has none, and may not wait on."""


@dataclass(slots=True)
class Turn:
    """One attempt's right to be in flight. *began* is when it was given."""

    began: float


@dataclass(slots=True, order=True)
class _Place:
    """A place in the queue. *wake* says to look again, *admitted* that it is the turn of it."""

    number: int
    wake: threading.Event = field(default_factory=threading.Event, compare=False)
    admitted: bool = field(default=False, compare=False)


class ConcurrencyLimiter:
    """Gives turns to the attempts of all threads, the call that came first before all others.

    The number in flight is at most *most*. It grows by one for each round of good answers, and
    is halved when the server has too much to do. A pause that the server asks of one attempt
    holds for all: nobody gets a turn before it is over.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._room = float(min(most, FIRST))
        self._ever_too_much = False
        self._last_halved = float("-inf")
        self._not_before = float("-inf")
        self._in_flight = 0
        self._waiting: list[_Place] = []
        self._numbers = itertools.count()
        self._closed = False
        self._lock = threading.Lock()

    @property
    def room(self) -> int:
        """How many may be in flight at the same time, as things are."""
        return int(self._room)

    @property
    def is_closed(self) -> bool:
        """Whether there are no turns any more."""
        return self._closed

    def number(self) -> int:
        """Return the place of a call in the queue, which it keeps for all its attempts."""
        return next(self._numbers)

    @contextmanager
    def taken(self, number: int, seconds: float | None) -> Iterator[Turn]:
        """Wait at most *seconds* for a turn, and give it back in the end.

        Raises:
            NoTurn: the time is over, or `close` was called.
        """
        turn = self._wait(number, None if seconds is None else self._clock() + seconds)
        try:
            yield turn
        finally:
            with self._lock:
                self._in_flight -= 1
                self._admit()

    def answered(self, turn: Turn) -> None:
        """Make room for more: the server has answered."""
        with self._lock:
            # Room that nobody uses says nothing about what the server would bear.
            if self._in_flight * 2 >= self._room:
                step = 1 / self._room if self._ever_too_much else 1.0
                self._room = min(float(self.most), self._room + step)
                self._admit()

    def too_much(self, turn: Turn) -> None:
        """Halve what may be in flight, once for all attempts that were under way together."""
        with self._lock:
            if turn.began <= self._last_halved:
                return
            # Room beyond what was in use has never been tried.
            self._room = max(1.0, min(self._room, max(self._in_flight, FIRST)) / 2)
            self._ever_too_much = True
            self._last_halved = self._clock()
            room = self.room
        _LOG.info(Event("fewer at once", at_once=room, most=self.most))

    def pause(self, seconds: float) -> None:
        """Give nobody a turn for so long: the server has asked for it."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)
            # Whoever waits for somebody's turn to end now has a moment of its own to wait for.
            self._wake_all()
        _LOG.info(Event("pause", seconds=round(seconds, 3)))

    def close(self) -> None:
        """Send everybody away who waits, or comes later."""
        with self._lock:
            self._closed = True
            self._wake_all()

    def _wait(self, number: int, until: float | None) -> Turn:
        place = _Place(number)
        with self._lock:
            heapq.heappush(self._waiting, place)
            self._admit()
        try:
            while not self._has_turn(place, until):
                place.wake.wait(self._longest_wait(until))
                place.wake.clear()
        except BaseException:
            self._leave(place)
            raise
        return Turn(self._clock())

    def _has_turn(self, place: _Place, until: float | None) -> bool:
        with self._lock:
            self._admit()
            late = until is not None and self._clock() >= until and not place.admitted
            if self._closed or late:
                raise NoTurn
            return place.admitted

    def _longest_wait(self, until: float | None) -> float | None:
        """Return after how many seconds to look again, though nobody has given a turn back."""
        now = self._clock()
        moments = [until] if until is not None else []
        if self._not_before > now:
            moments.append(self._not_before)
        # A timer may be early by a hair, and looking again at once would spin.
        wait = max(0.001, min(moments) - now) if moments else None
        # Longer than a timer can be set for; whoever wakes early looks again.
        return None if wait is None else min(wait, threading.TIMEOUT_MAX)

    def _admit(self) -> None:
        """Let in who is next, while there is room."""
        while (
            self._waiting
            and self._in_flight < int(self._room)
            and self._clock() >= self._not_before
        ):
            place = heapq.heappop(self._waiting)
            self._in_flight += 1
            place.admitted = True
            place.wake.set()

    def _leave(self, place: _Place) -> None:
        """Give up a place, or the turn that came just then."""
        with self._lock:
            if place.admitted:
                self._in_flight -= 1
                self._admit()
            else:
                self._waiting.remove(place)
                heapq.heapify(self._waiting)

    def _wake_all(self) -> None:
        for place in self._waiting:
            place.wake.set()
