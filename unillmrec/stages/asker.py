"""Send the questions of one recommendation to a judge, fall back, count and trace."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from unillmrec.endpoint import FATAL_FAILURES, CallError, FailureKind
from unillmrec.errors import BudgetError, EndpointError, ReplyError, UnillmrecError
from unillmrec.judge import (
    Dropped,
    Exchange,
    HistoryQuestion,
    Interests,
    Judge,
    Question,
    SimilarityJudge,
    Verdict,
)
from unillmrec.replies.uninformative import Answer, AnswerStreaks
from unillmrec.usage import Bill, Stage

if TYPE_CHECKING:
    from unillmrec.budget import BudgetTracker

StopReason: TypeAlias = Literal["tokens", "calls", "deadline", "cost", "interrupted", "endpoint"]
"""Why the judge stopped answering: a part of the budget, an interruption, or the endpoint."""

OnTrace: TypeAlias = Callable[[Stage, Exchange | Verdict, Question | None], None]
"""Called with a verdict and its question, or with one call where there is no verdict."""

OnCall: TypeAlias = Callable[[Stage, Exchange], None]

# Errors that the user has to fix. A closed endpoint is not one: the run ends normally.
_USER_ERRORS = FATAL_FAILURES - {FailureKind.CLOSED}


@dataclass(slots=True)
class AnswerCounts:
    """What the answers of one recommendation cost, and how many there were.

    *fallback_answers* counts the *answers* that a fallback judge gave, by its name. *waits* counts
    by stage how often the recommendation waited: questions asked in parallel are one wait.
    """

    bill: Bill = field(default_factory=Bill)
    dropped: Dropped = field(default_factory=Dropped)
    answers: int = 0
    fallback_answers: Counter[str] = field(default_factory=Counter)
    waits: Counter[Stage] = field(default_factory=Counter)

    @property
    def judge_answers(self) -> int:
        """How many answers came from the judge itself."""
        return self.answers - self.fallback_answers.total()

    def add(self, stage: Stage, answer: Verdict | Interests) -> None:
        """Count an answer and what it cost."""
        self.bill.add(stage, answer.usage)
        self.dropped += answer.dropped
        self.answers += 1
        if answer.fallback:
            self.fallback_answers[answer.fallback] += 1


@dataclass(slots=True)
class Asker:
    """Sends the questions of one recommendation to *judge*, and accounts for the answers.

    With a *tracker*, an interruption ends the paid questions and not the recommendation. If the
    tracker has a limit, the same holds when a limit is reached or a call fails. *stop_reason* is
    the first reason and *failure* its error message; from then on *fallback* answers, the embedded
    judge, which costs nothing. *person* is a label for the usage log.
    """

    judge: Judge
    fallback: Judge
    executor: Executor | None = None
    tracker: BudgetTracker | None = None
    person: str = ""
    on_trace: OnTrace = lambda stage, answer, question: None
    on_call: OnCall = lambda stage, exchange: None
    counts: AnswerCounts = field(default_factory=AnswerCounts)
    streaks: AnswerStreaks = field(default_factory=AnswerStreaks, repr=False)
    stop_reason: StopReason | Literal[""] = ""
    failure: str = ""
    stopped: bool = False

    @property
    def is_free(self) -> bool:
        """Whether questions cost nothing, so that a walk may look further."""
        return isinstance(self.judge, SimilarityJudge)

    @property
    def has_limits(self) -> bool:
        """Whether a budget may run out before all questions are answered."""
        return self.tracker is not None and self.tracker.budget.is_set

    def ask(self, questions: Sequence[Question]) -> list[Verdict]:
        """Ask the judge, in parallel where it supports that, and count the answers.

        The answers are returned, counted and traced in the order of the questions, whichever was
        ready first. If one fails, those already under way are counted nevertheless.
        """
        if self.stopped or not questions:
            return self.ask_fallback(questions)
        self.counts.waits[questions[0].stage] += 1
        if self.tracker is not None or self.person:
            questions = [
                replace(question, tracker=self.tracker, person=self.person)
                for question in questions
            ]
        if self.executor is None or len(questions) < 2:
            return [
                self._answer(question, partial(self.judge.choose, question))
                for question in questions
            ]
        return self._ask_in_parallel(questions, self.executor)

    def ask_history(self, question: HistoryQuestion) -> Interests:
        """Ask the judge for the interests of a person, and count the answer."""
        question = replace(question, tracker=self.tracker, person=self.person)
        self.counts.waits[question.stage] += 1
        try:
            answer = self.judge.interests(question)
        except UnillmrecError as error:
            self._record_failure(question.stage, error, None)
            if not self._can_continue(error):
                raise
            answer = self._fallback_interests(question)
        except KeyboardInterrupt:
            if self.tracker is None:
                raise
            self._stop("interrupted")
            answer = self._fallback_interests(question)
        self.record(question.stage, answer)
        for exchange in answer.exchanges:
            self.on_trace(question.stage, exchange, None)
        return answer

    def ask_fallback(self, questions: Sequence[Question]) -> list[Verdict]:
        """Let the fallback judge answer, at no cost."""
        return [self._fallback_verdict(question) for question in questions]

    def record(self, stage: Stage, answer: Verdict | Interests) -> None:
        """Count an answer, and report its calls."""
        self.counts.add(stage, answer)
        for exchange in answer.exchanges:
            self.on_call(stage, exchange)

    def _ask_in_parallel(self, questions: Sequence[Question], executor: Executor) -> list[Verdict]:
        # Context variables, such as whom a batch is asking for, must reach the other threads.
        futures = [
            executor.submit(copy_context().run, self.judge.choose, question)
            for question in questions
        ]
        waiting = deque(zip(questions, futures, strict=True))
        verdicts: list[Verdict] = []
        try:
            for future in as_completed(futures):
                if not self.has_limits:
                    future.result()
                while waiting and waiting[0][1].done():
                    question, ready = waiting.popleft()
                    verdicts.append(self._answer(question, ready.result))
        except KeyboardInterrupt:
            if self.tracker is None:
                self._record_rest(waiting, wait=False)
                raise
            self._stop("interrupted")
        except BaseException as error:
            # After a failure, wait for the calls under way: they are paid for. After any other
            # interruption, do not.
            self._record_rest(waiting, wait=isinstance(error, UnillmrecError))
            raise
        for _, future in waiting:
            future.cancel()
        return verdicts + self.ask_fallback(questions[len(verdicts) :])

    def _answer(self, question: Question, answer: Callable[[], Verdict]) -> Verdict:
        """Return an answer once it is recorded, or the fallback's where the judge fails."""
        if self.stopped:
            return self._fallback_verdict(question)
        try:
            return self._recorded(question, answer)
        except UnillmrecError as error:
            if not self._can_continue(error):
                raise
        except KeyboardInterrupt:
            if self.tracker is None:
                raise
            self._stop("interrupted")
        return self._fallback_verdict(question)

    def _can_continue(self, error: UnillmrecError) -> bool:
        """Return whether the fallback may answer after this error, and remember the reason."""
        if not self.has_limits:
            return False
        if isinstance(error, BudgetError):
            self._stop(error.limit)
        elif not isinstance(error, EndpointError | ReplyError):
            return False
        elif self.tracker is not None and self.tracker.is_late:
            self._stop("deadline")
        elif (
            isinstance(error, CallError)
            and error.kind in _USER_ERRORS
            and not self.counts.judge_answers
        ):
            # No call ever succeeded: the user has to fix the settings.
            return False
        else:
            self._stop("endpoint", error.problem)
        return True

    def _stop(self, reason: StopReason, failure: str = "") -> None:
        """Stop making paid calls. Only the first reason is reported.

        A question that does not fit the rest of a token or cost limit does not stop the smaller
        ones that follow.
        """
        if not self.stop_reason:
            self.stop_reason, self.failure = reason, failure
        self.stopped = self.stopped or reason not in ("tokens", "cost")

    def _fallback_verdict(self, question: Question) -> Verdict:
        verdict = replace(self.fallback.choose(question), fallback=self.fallback.name)
        self.record(question.stage, verdict)
        return verdict

    def _fallback_interests(self, question: HistoryQuestion) -> Interests:
        return replace(self.fallback.interests(question), fallback=self.fallback.name)

    def _recorded(self, question: Question, answer: Callable[[], Verdict]) -> Verdict:
        """Return an answer once it is recorded; if it fails, record its calls."""
        try:
            verdict = self._check_streaks(question, answer())
        except UnillmrecError as error:
            self._record_failure(question.stage, error, question)
            raise
        self.record(question.stage, verdict)
        self.on_trace(question.stage, verdict, question)
        return verdict

    def _check_streaks(self, question: Question, verdict: Verdict) -> Verdict:
        """Return the fallback's verdict where a model's answers in a row fit a pattern."""
        if not verdict.exchanges or verdict.fallback:
            return verdict
        answer = Answer(
            verdict.scores,
            len(question.choices),
            is_order=question.wants_order,
            is_sorted=question.kind == "rerank",
        )
        pattern = self.streaks.find([choice.key for choice in question.choices], answer)
        if not pattern:
            return verdict
        last = replace(verdict.exchanges[-1], uninformative=pattern)
        counted = replace(verdict.dropped, uninformative=1)
        return Verdict(
            self.fallback.choose(question).scores,
            counted + Dropped(fallbacks=1),
            verdict.usage,
            (*verdict.exchanges[:-1], last),
            self.fallback.name,
        )

    def _record_rest(self, waiting: deque[tuple[Question, Future[Verdict]]], *, wait: bool) -> None:
        for _, future in waiting:
            future.cancel()
        for question, future in waiting:
            if not future.cancelled() and (wait or future.done()):
                # The error that ended the walk is raised; further ones are only traced.
                with suppress(UnillmrecError):
                    self._recorded(question, future.result)

    def _record_failure(
        self, stage: Stage, error: UnillmrecError, question: Question | None
    ) -> None:
        """Bill, report and trace the calls of a question that failed."""
        for exchange in error.exchanges:
            self.counts.bill.add(stage, exchange.usage)
            self.on_call(stage, exchange)
            self.on_trace(stage, exchange, question)
