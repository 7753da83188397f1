"""Run a batch on threads of this process, with a bounded number of people at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Protocol, TypeAlias

from unillmrec.batch.person_runner import OutputLine, PersonRunner
from unillmrec.errors import ReplyError, UnillmrecError
from unillmrec.events import Event, logger
from unillmrec.items import one_line
from unillmrec.people.people_file import PersonRow

OnResult: TypeAlias = Callable[[PersonRow, OutputLine | UnillmrecError], bool]
"""Called with the result for a row; returns whether to continue."""

# How long to wait for calls in flight when a run is interrupted.
GRACE_SECONDS = 10.0
_LOG = logger("batch")


class Engine(Protocol):
    """Runs the rows of a batch."""

    def run(self, rows: Iterator[PersonRow], on_result: OnResult) -> None:
        """Recommend to the people in *rows* until there are no more, or *on_result* stops."""


class ThreadEngine:
    """Runs rows on threads, which mostly wait for the model."""

    def __init__(self, runner: PersonRunner, at_once: int) -> None:
        self._runner = runner
        self._at_once = max(1, at_once)
        self._running: dict[Future[OutputLine], PersonRow] = {}
        self._continues = True

    def run(self, rows: Iterator[PersonRow], on_result: OnResult) -> None:
        """Run rows, the first one alone, so that a wrong key fails only once."""
        executor = ThreadPoolExecutor(self._at_once, thread_name_prefix="unillmrec-person")
        limit = 1
        try:
            while True:
                if self._continues:
                    for row in islice(rows, limit - len(self._running)):
                        self._running[executor.submit(self._runner.run, row)] = row
                if not self._running:
                    break
                for future in wait(self._running, return_when=FIRST_COMPLETED).done:
                    self._finish(future, on_result)
                    limit = self._at_once
        except BaseException:
            # Calls in flight are paid for: wait for their replies, and send nothing new.
            self._runner.replies.stop()
            executor.shutdown(wait=False, cancel_futures=True)
            for future in wait(self._running, GRACE_SECONDS).done:
                self._finish(future, on_result)
            raise
        executor.shutdown()

    def _finish(self, future: Future[OutputLine], on_result: OnResult) -> None:
        row = self._running.pop(future)
        if future.cancelled():
            return
        error = future.exception()
        if isinstance(error, Exception) and not isinstance(error, UnillmrecError):
            # A mistake of ours, that something about this row brought to light.
            _LOG.error(Event("unexpected error", line=row.line, type=type(error).__name__))
            _LOG.debug(Event("unexpected error", line=row.line), exc_info=error)
            error = _as_reply_error(error)
        elif error is not None and not isinstance(error, UnillmrecError):
            raise error
        if not on_result(row, error or future.result()):
            self._continues = False
            self._runner.replies.stop()


def _as_reply_error(error: Exception) -> ReplyError:
    """Return what makes a person fail, and be retried by the next run, but ends no batch."""
    return ReplyError(
        f"an unexpected error: {type(error).__name__}: {one_line(str(error), 200)}.",
        remedy="report it as a bug; the other people are not affected.",
    )
