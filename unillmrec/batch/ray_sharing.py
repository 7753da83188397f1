"""The state that all Ray workers of a batch share: call slots, the budget, and stored replies."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from unillmrec.budget import Budget, BudgetTracker, Limit, Reservation
from unillmrec.building.backends import running_ray
from unillmrec.endpoint import Reply
from unillmrec.endpoint.wrappers.serialization import encode_reply
from unillmrec.errors import BatchError, BudgetError
from unillmrec.prices import Price
from unillmrec.system.json_lines import append_line
from unillmrec.usage import Stage


class SharedBudgetActor:
    """The actor with the shared state. Its methods run one at a time, except while they wait."""

    def __init__(self, replies: str, slots: int, budget: Budget, price: Price | None) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._tracker = (
            BudgetTracker(budget, price.at_most if price else None) if budget.is_set else None
        )
        self._stopping = False
        # Calls that may still return part of their reservation, and the signal that one did.
        self._in_flight = 0
        self._changed = asyncio.Condition()
        # Open for as long as the actor lives.
        self._file = Path(replies).open("a", encoding="utf-8")  # noqa: SIM115

    async def acquire_slot(self) -> bool:
        """Wait for a call slot; return False if the batch is stopping."""
        await self._slots.acquire()
        if self._stopping:
            self._slots.release()
        return not self._stopping

    async def release_slot(self) -> None:
        """Release a call slot."""
        self._slots.release()

    async def stop(self) -> None:
        """Block new calls."""
        async with self._changed:
            self._stopping = True
            self._changed.notify_all()

    async def close(self) -> None:
        """Close the file of the replies."""
        self._file.close()

    async def add_reply(self, line: int, stage: str, digest: str, reply: str) -> None:
        """Write a reply to the file; when this returns, it survives a killed worker."""
        append_line(self._file, json.dumps([line, stage, digest, reply]))

    async def reserve(self, prompt: int, completion: int, *, retry: bool = False) -> str:
        """Reserve a request once there is room; return the limit that it does not fit, or "".

        As on threads, a request is refused only if no call in flight can return anything; one
        that waits for a *retry* cannot.
        """
        if self._tracker is None:
            return ""
        async with self._changed:
            self._in_flight -= retry
            self._changed.notify_all()
            while limit := self._try_reserve(prompt, completion):
                if not self._in_flight or self._stopping or limit == "deadline":
                    break
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), self._tracker.seconds_left)
            self._in_flight += retry or not limit
        return limit

    def _try_reserve(self, prompt: int, completion: int) -> str:
        assert self._tracker is not None
        try:
            self._tracker.take(prompt, completion)
        except BudgetError as error:
            return error.limit
        return ""

    async def give_back(self, prompt: int, completion: int, calls: int = 0) -> None:
        """Return the unused part of a reservation, and calls that were not sent."""
        if self._tracker is not None:
            self._tracker.give_back(prompt, completion)
            self._tracker.uncount(calls)

    async def settled(self, calls: int = 1) -> None:
        """Note that *calls* fewer calls may return part of their reservation."""
        async with self._changed:
            self._in_flight -= calls
            self._changed.notify_all()


class SharedBudgetTracker(BudgetTracker):
    """Tracks the budget of all workers, through the actor; the deadline is checked here."""

    def __init__(self, actor: Any, seconds: float | None) -> None:
        super().__init__(Budget(seconds=seconds))
        self._actor = actor

    def reserve(self, prompt: int, completion: int) -> Reservation:
        """Reserve a request, once there is room for it among all workers."""
        # Without the lock, which a call that returns its reservation needs.
        self._reserve(prompt, completion, retry=False)
        return Reservation(self, prompt, completion)

    def reserve_retry(self, prompt: int, completion: int) -> None:
        """Reserve the same size again, once there is room for it among all workers."""
        self._reserve(prompt, completion, retry=True)

    def _reserve(self, prompt: int, completion: int, *, retry: bool) -> None:
        limit = running_ray().get(self._actor.reserve.remote(prompt, completion, retry=retry))
        if not limit and self.is_late:
            limit = "deadline"
            self._actor.give_back.remote(prompt, completion, 1)
            if not retry:
                self.settled()
        if limit:
            raise BudgetError(cast("Limit", limit), f"the budget of {limit} is spent.")

    def give_back(self, prompt: int, completion: int) -> None:
        """Return the unused part of a reservation."""
        self._actor.give_back.remote(prompt, completion)

    def uncount(self, calls: int) -> None:
        """Subtract calls that were not sent."""
        self._actor.give_back.remote(0, 0, calls)

    def settled(self) -> None:
        """Note that a call is over."""
        self._actor.settled.remote()

    def unsettled(self) -> None:
        """Note that a call is in progress again."""
        self._actor.settled.remote(-1)


class SharedReplyStore:
    """Stores replies through the actor; the earlier replies for a row arrive with the row."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self._earlier: dict[int, list[tuple[bytes, Reply]]] = {}
        self._lock = threading.Lock()

    def set_replies(self, line: int, replies: list[tuple[bytes, Reply]]) -> None:
        """Set the replies for a row from earlier runs."""
        with self._lock:
            self._earlier[line] = replies

    def replies(self, line: int) -> list[tuple[bytes, Reply]]:
        """Return the replies for a row from earlier runs, once."""
        with self._lock:
            return self._earlier.pop(line, [])

    def add_reply(self, line: int, stage: Stage, digest: bytes, reply: Reply) -> None:
        """Store a reply, and wait until it is written."""
        written = self._actor.add_reply.remote(line, str(stage), digest.hex(), encode_reply(reply))
        running_ray().get(written)

    @contextmanager
    def call_slot(self) -> Iterator[None]:
        """Wait for a call slot among all workers."""
        if not running_ray().get(self._actor.acquire_slot.remote()):
            raise BatchError("the batch is stopping.")
        try:
            yield
        finally:
            self._actor.release_slot.remote()
