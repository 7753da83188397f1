"""Replay stored replies when a batch resumes, and block new calls once it is stopping."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Protocol

from unillmrec.budget import BudgetTracker, WaitingBudgetTracker
from unillmrec.endpoint import AnswerError, CallError, Endpoint, Reply, Request, usage_of
from unillmrec.endpoint.estimates import with_estimates
from unillmrec.endpoint.wrappers.serialization import digest, request_to_plain
from unillmrec.errors import BatchError, BudgetError, UnillmrecError
from unillmrec.judge.prompting.dialogue import complete_within
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Stage

# The line of failed calls: they are billed, but belong to no row, and are never replayed.
NO_LINE = 0


@dataclass(slots=True)
class _CurrentRow:
    """The row that calls are made for, its stored replies, and the budget error that ended it."""

    line: int
    replies: dict[bytes, list[Reply]]
    budget_error: BudgetError | None = None


# Which row a call is for, without passing it through the stages.
_current_row: ContextVar[_CurrentRow | None] = ContextVar("current_row", default=None)


class ReplyStore(Protocol):
    """Stores the replies of a batch, and limits its calls."""

    def add_reply(self, line: int, stage: Stage, digest: bytes, reply: Reply) -> None:
        """Store the reply to a request for a row."""

    def replies(self, line: int) -> list[tuple[bytes, Reply]]:
        """Return the replies for a row, with the digests of the requests."""

    def call_slot(self) -> AbstractContextManager[None]:
        """Wait until a call may begin, and occupy a slot while it is in flight."""


class ResumeStore:
    """Answers requests from stored replies, or sends them and stores the replies."""

    def __init__(self, store: ReplyStore, tracker: BudgetTracker | None = None) -> None:
        self.tracker = tracker
        self._store = store
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    @property
    def is_stopping(self) -> bool:
        """Whether new calls are blocked."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Block new calls; the replies to calls in flight are still stored."""
        self._stopping.set()
        if isinstance(self.tracker, WaitingBudgetTracker):
            self.tracker.close()

    @contextmanager
    def for_row(self, line: int) -> Iterator[None]:
        """Assign the calls made inside, also on threads started inside, to a row.

        Raises:
            BudgetError: a call did not fit the budget, even if the caller handled its error.
        """
        replies: dict[bytes, list[Reply]] = {}
        for key, reply in self._store.replies(line):
            replies.setdefault(key, []).append(reply)
        row = _CurrentRow(line, replies)
        token = _current_row.set(row)
        try:
            yield
        finally:
            _current_row.reset(token)
        if row.budget_error:
            raise row.budget_error

    def wrap(self, endpoint: Endpoint) -> ResumableEndpoint:
        """Return an endpoint that answers from stored replies first."""
        return ResumableEndpoint(endpoint, self)

    def complete(self, endpoint: Endpoint, request: Request) -> Reply:
        """Return the stored reply to a request, or send it and store the reply.

        Raises:
            BatchError: the batch is stopping.
            BudgetError: the budget is spent.
        """
        row = _current_row.get()
        if row is None:
            return endpoint.complete(request)
        key = bytes.fromhex(digest(request_to_plain(request)))
        with self._lock:
            # If a person needs the same request twice, such as for votes, each needs a reply.
            if row.replies.get(key):
                return _replay(row.replies[key].pop(0))
        if self._stopping.is_set():
            raise BatchError("the batch is stopping.")
        counter = TokenCounter.for_model(endpoint.model)
        with self._store.call_slot():
            # The recommender has no budget: it would return a poorer list where a batch stops.
            try:
                reply = complete_within(self.tracker, endpoint, request, counter)
            except UnillmrecError as error:
                if isinstance(error, BudgetError):
                    row.budget_error = error
                if failed := _failed_reply(error):
                    # A reply without text is replayed; a failed call is retried.
                    is_reply = isinstance(error, AnswerError) and failed.usage.calls
                    self._add(row.line if is_reply else NO_LINE, request, key, failed, counter)
                raise
            self._add(row.line, request, key, reply, counter)
        return reply

    def _add(
        self, line: int, request: Request, key: bytes, reply: Reply, counter: TokenCounter
    ) -> None:
        """Store a reply with our own token counts, since the request is not stored."""
        usage = with_estimates(reply.usage, request, reply.text, counter)
        self._store.add_reply(line, request.stage, key, replace(reply, usage=usage))


def _replay(reply: Reply) -> Reply:
    """Return a stored reply.

    Raises:
        AnswerError: it has no text.
    """
    if reply.text:
        return reply
    error = AnswerError("there was no text in the answer.")
    error.usage = reply.usage
    raise error


def _failed_reply(error: UnillmrecError) -> Reply | None:
    """Return an empty reply with the usage of a failed call; None if nothing was sent."""
    cause = error.__cause__ if isinstance(error, BudgetError) else error
    if not isinstance(cause, CallError | AnswerError):
        return None
    usage = usage_of(error)
    return Reply("", usage, "text", None, None, 0.0, retries=cause.retries, refused=cause.refused)


class ResumableEndpoint:
    """An endpoint whose requests are answered from stored replies where possible."""

    def __init__(self, endpoint: Endpoint, replies: ResumeStore) -> None:
        self.model = endpoint.model
        self.name = endpoint.name
        self._endpoint = endpoint
        self._replies = replies

    def complete(self, request: Request) -> Reply:
        """Return the stored reply, or send the request."""
        return self._replies.complete(self._endpoint, request)
