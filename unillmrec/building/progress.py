"""Report the progress of a build, and measure its phases."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

from unillmrec.errors import TreeError
from unillmrec.items import Item

# Items are read in batches of this size; four of them fill a block of the store.
READ_BATCH = 1_024


class OnProgress(Protocol):
    """Called with the name of a phase, how much of it is done, and the total if it is known."""

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        """Show or record the progress."""


def ignore_progress(phase: str, done: int, total: int | None) -> None:
    """Do nothing: the callback of those who need no progress."""


class Phases:
    """Reports the progress of a build and measures how long each phase takes."""

    def __init__(self, on_progress: OnProgress) -> None:
        self.report = on_progress
        self.seconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def finish(self, phase: str) -> None:
        """Record the seconds since the previous phase ended."""
        now = time.perf_counter()
        self.seconds[phase] = round(now - self._started, 3)
        self._started = now


def read_batches(items: Iterable[Item], phases: Phases) -> Iterator[list[Item]]:
    """Yield the items of a catalog in batches, and report how many have been read.

    Raises:
        TreeError: there are no items.
    """
    remaining = iter(items)
    count = 0
    while batch := list(islice(remaining, READ_BATCH)):
        yield batch
        count += len(batch)
        phases.report("reading", count, None)
    if not count:
        raise TreeError("the catalog has no items.", detail="Nothing was written.")
    phases.report("reading", count, count)
