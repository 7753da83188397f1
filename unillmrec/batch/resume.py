"""The endpoint of a batch: it asks for each answer once, also over several runs."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Protocol

from unillmrec.budget import BudgetTracker, WaitingBudgetTracker
from unillmrec.endpoint import AnswerError, CallError, Endpoint, Reply, Request, usage_of
from unillmrec.endpoint.estimates import with_estimates
from unillmrec.errors import BatchError, BudgetError, UnillmrecError
from unillmrec.judge.prompting.dialogue import complete_within
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Stage

# The row that calls are for which failed: no line of a file, and never settled.
NOBODY = 0
Answers = dict[bytes, list[Reply]]


@dataclass(slots=True)
class AskedFor:
    """The row that calls are for, what is left of its kept answers, and what ended the asking."""

    line: int
    answers: Answers
    ended: BudgetError | None = None


# Which person a call is about: the stages know nothing of it, and need not.
_asked_for: ContextVar[AskedFor | None] = ContextVar("asked_for", default=None)


class Keeper(Protocol):
    """Where answers are kept."""

    def keep(self, line: int, stage: Stage, digest: bytes, reply: Reply) -> None:
        """Keep an answer."""

    def kept(self, line: int) -> list[tuple[bytes, Reply]]:
        """Return the answers kept for a row."""

    def turn(self) -> AbstractContextManager[None]:
        """Wait until one more call may be under way, and count it while it is."""


class ResumeStore:
    """Where the answers of a batch come from a second time, and whether it still asks at all."""

    def __init__(self, keeper: Keeper, tracker: BudgetTracker | None = None) -> None:
        self.tracker = tracker
        self._keeper = keeper
        self._halted = threading.Event()
        self._lock = threading.Lock()

    @property
    def is_halted(self) -> bool:
        """Whether no new call begins."""
        return self._halted.is_set()

    def halt(self) -> None:
        """Let no new call begin; those under way come in and are kept."""
        self._halted.set()
        if isinstance(self.tracker, WaitingBudgetTracker):
            self.tracker.close()

    @contextmanager
    def about(self, line: int) -> Iterator[None]:
        """Say that the calls made here, and on threads that are given work here, are for a row.

        Raises:
            BudgetError: one of them was refused, though whoever asked made do without it.
        """
        answers: Answers = {}
        for digest, reply in self._keeper.kept(line):
            answers.setdefault(digest, []).append(reply)
        asked_for = AskedFor(line, answers)
        token = _asked_for.set(asked_for)
        try:
            yield
        finally:
            _asked_for.reset(token)
        if asked_for.ended:
            raise asked_for.ended

    def over(self, endpoint: Endpoint) -> ResumableEndpoint:
        """Return what is asked in place of *endpoint*."""
        return ResumableEndpoint(endpoint, self)

    def complete(self, endpoint: Endpoint, request: Request) -> Reply:
        """Return the kept answer to a request, or ask and keep what comes.

        Raises:
            BatchError: the batch is being ended.
            BudgetError: what may be spent is spent.
        """
        asked_for = _asked_for.get()
        if asked_for is None:
            return endpoint.complete(request)
        line, answers = asked_for.line, asked_for.answers
        digest = digest_of(request)
        with self._lock:
            # The same request twice, for one person, is meant to be answered twice.
            if answers.get(digest):
                return _again(answers[digest].pop(0))
        if self._halted.is_set():
            raise BatchError("the batch is being ended.")
        counter = TokenCounter.for_model(endpoint.model)
        with self._keeper.turn():
            # Not the recommender's purse: a batch stops where a person would get a lesser list.
            try:
                reply = complete_within(self.tracker, endpoint, request, counter)
            except UnillmrecError as error:
                if isinstance(error, BudgetError):
                    asked_for.ended = error
                failed = _failed(error)
                if failed is not None:
                    # An answer without a text is the person's; what failed is nobody's.
                    answered = isinstance(error, AnswerError) and failed.usage.calls
                    whose = line if answered else NOBODY
                    kept = _estimated(failed, request, counter)
                    self._keeper.keep(whose, request.stage, digest, kept)
                raise
            self._keeper.keep(line, request.stage, digest, _estimated(reply, request, counter))
        return reply


def _again(reply: Reply) -> Reply:
    """Return a kept answer.

    Raises:
        AnswerError: there was no text in it.
    """
    if reply.text:
        return reply
    error = AnswerError("there was no text in the answer.")
    error.usage = reply.usage
    raise error


def _failed(error: UnillmrecError) -> Reply | None:
    """Return what a call that failed took, paid or not; None where nothing was sent."""
    ended = error.__cause__ if isinstance(error, BudgetError) else error
    if not isinstance(ended, CallError | AnswerError):
        return None
    return Reply(
        *("", usage_of(error), "text", None, None, 0.0),
        retries=ended.retries,
        refused=ended.refused,
    )


def _estimated(reply: Reply, request: Request, counter: TokenCounter) -> Reply:
    """Return a reply whose usage holds our own counts too, for a bill without the request."""
    return replace(reply, usage=with_estimates(reply.usage, request, reply.text, counter))


class ResumableEndpoint:
    """Passes requests on, unless there is an answer already."""

    def __init__(self, endpoint: Endpoint, answers: ResumeStore) -> None:
        self.model = endpoint.model
        self.name = endpoint.name
        self._endpoint = endpoint
        self._answers = answers

    def complete(self, request: Request) -> Reply:
        """Ask once."""
        return self._answers.complete(self._endpoint, request)


# `json.dumps` makes an encoder anew for each call.
_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, default=str).encode


def digest_of(request: Request) -> bytes:
    """Return what is the same for the same request to the same model."""
    content = [
        str(request.stage),
        [[each.role, each.content] for each in request.messages],
        request.max_output,
        [request.schema.name, request.schema.body] if request.schema else None,
        request.labels,
    ]
    text = _encode(content)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
