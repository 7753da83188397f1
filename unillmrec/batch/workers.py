"""People recommended to on threads of this process, a bounded number of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Protocol, TypeAlias

from unillmrec.batch.person_runner import Made, PersonRunner
from unillmrec.errors import UnillmrecError
from unillmrec.people.people_file import PersonRow

Take: TypeAlias = Callable[[PersonRow, Made | UnillmrecError], bool]
"""Is told what became of a person; returns whether to go on."""

# How long calls that are under way may take when a run is broken off.
GRACE_SECONDS = 10.0


class Engine(Protocol):
    """Recommends to many people."""

    def run(self, entries: Iterator[PersonRow], take: Take) -> None:
        """Take people from *entries* while there are any and *take* wants more."""


class Threads:
    """Recommends on threads. Waiting for a model is what takes the time."""

    def __init__(self, desk: PersonRunner, at_once: int) -> None:
        self._desk = desk
        self._at_once = max(1, at_once)
        self._waiting: dict[Future[Made], PersonRow] = {}
        self._goes_on = True

    def run(self, entries: Iterator[PersonRow], take: Take) -> None:
        """Recommend to people, at most so many at once; a wrong key is found out with one."""
        executor = ThreadPoolExecutor(self._at_once, thread_name_prefix="unillmrec-person")
        limit = 1
        try:
            while True:
                if self._goes_on:
                    for entry in islice(entries, limit - len(self._waiting)):
                        self._waiting[executor.submit(self._desk.serve, entry)] = entry
                if not self._waiting:
                    break
                for future in wait(self._waiting, return_when=FIRST_COMPLETED).done:
                    self._took(future, take)
                    limit = self._at_once
        except BaseException:
            # What is under way is paid for: its answers come in, and nothing new is asked.
            self._desk.answers.halt()
            executor.shutdown(wait=False, cancel_futures=True)
            for future in wait(self._waiting, GRACE_SECONDS).done:
                self._took(future, take)
            raise
        executor.shutdown()

    def _took(self, future: Future[Made], take: Take) -> None:
        entry = self._waiting.pop(future)
        if future.cancelled():
            return
        error = future.exception()
        if error is not None and not isinstance(error, UnillmrecError):
            raise error
        if not take(entry, error or future.result()):
            self._goes_on = False
            self._desk.answers.halt()
