"""One recommendation on its way: what every stage may use, and where it reports to."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

from unillmrec.budget import BudgetTracker
from unillmrec.endpoint import FATAL_FAILURES, CallError, FailureKind
from unillmrec.errors import BudgetError, EndpointError, ReplyError, UnillmrecError
from unillmrec.judge import (
    Choice,
    Dropped,
    Exchange,
    HistoryQuestion,
    Interests,
    Judge,
    Question,
    SimilarityJudge,
    Verdict,
)
from unillmrec.stages.item_lines import item_line
from unillmrec.stages.options import Options, WalkChoice
from unillmrec.stages.rotation import turned
from unillmrec.store import ROOT, ItemTree, Node, PlacedItem
from unillmrec.store.columns.eligibility import Eligibility
from unillmrec.tree.descriptions import Description
from unillmrec.usage import Bill, Stage

if TYPE_CHECKING:
    from unillmrec.store.columns.selection import Selection

StopReason: TypeAlias = Literal["tokens", "calls", "deadline", "cost", "interrupted", "endpoint"]
"""What kept the judge from answering everything."""

CandidateSource: TypeAlias = Literal["judge", "fallback", "nearest"]
"""How a candidate came in: the judge picked it, or who stood in for the judge, or it was taken
as the nearest one left."""


# Gathering a leaf costs nothing where only the nearest items of all are shown; of more than
# thirty, the nearest items are hardly others (benchmarks/results/ceiling.json). Who is asked for
# nothing may look further: nothing is lost then but time.
LEAVES = 30
FREE_LEAVES = 300
WHOLE_LEAVES = 12

# A closed endpoint is no mistake of the user's: the run ends in order.
_MISTAKES = FATAL_FAILURES - {FailureKind.CLOSED}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A recalled item, its score between 0 and 100, and how it was found."""

    placed: PlacedItem
    score: float
    found: CandidateSource = "judge"


@dataclass(frozen=True, slots=True)
class WalkStep:
    """Something that happened on the walk, for whoever watches it live.

    *opened* is the node whose children were judged; *scores* are theirs by id. A leaf that
    is opened has no scores. *waiting* is how many nodes are left on the frontier.
    """

    opened: Node
    children: tuple[Node, ...] = ()
    scores: tuple[tuple[int, float], ...] = ()
    asked: bool = False
    waiting: int = 0


@dataclass(slots=True)
class Run:
    """The state of one recommendation; made anew for each person, so that nothing leaks.

    *selection* is what a predicate lets through, if there is one. *stand_ins* says who gave
    how many of the *answers* in the judge's place. *waits* counts by stage how often answers
    were waited for; *person* is a label for the usage log. With a *purse* an interruption ends
    the asking and not the run, and with a limit in it, so does a limit that is reached or a
    call that fails: *partial* says so, and from then on the embedded judge answers, which costs
    nothing; *cut* is the same of the walk alone. *ended* says why recall opened no more.
    """

    tree: ItemTree
    judge: Judge
    options: Options
    selection: Selection | None = None
    executor: Executor | None = None
    tracker: BudgetTracker | None = None
    watch: Callable[[WalkStep], None] = lambda event: None
    trace: Callable[[Stage, Exchange | Verdict, Question | None], None] = lambda *_: None
    on_call: Callable[[Stage, Exchange], None] = lambda stage, exchange: None
    bill: Bill = field(default_factory=Bill)
    dropped: Dropped = field(default_factory=Dropped)
    answers: int = 0
    fallback_answers: Counter[str] = field(default_factory=Counter)
    partial: StopReason | Literal[""] = ""
    cut: StopReason | Literal[""] = ""
    failure: str = ""
    silent: bool = False
    ended: str = ""
    walk: WalkChoice = field(init=False)
    root: Node = field(init=False)
    opened: list[WalkStep] = field(default_factory=list)
    waits: Counter[Stage] = field(default_factory=Counter)
    person: str = ""
    eligibility: Eligibility = field(init=False)
    fallback: Judge = field(init=False)

    def __post_init__(self) -> None:
        self.eligibility = Eligibility(self.tree, self.selection)
        self.fallback = SimilarityJudge(self.tree)
        self.root = self.tree.node(ROOT)
        self.walk = WalkChoice(self.options.walk)

    def exclude(self, items: Iterable[PlacedItem]) -> None:
        """Keep *items* out of everything that follows."""
        self.eligibility.exclude((each.number, each.leaf) for each in items)

    def eligible(self, node: Node) -> int:
        """Return how many items below *node* may be recommended."""
        return self.eligibility.count(node)

    def selected(self, node: Node) -> int:
        """Return how many items below *node* the predicate lets through, seen or not."""
        return self.eligibility.selected(node)

    @property
    def rounds(self) -> int:
        """How often answers were waited for."""
        return self.waits.total()

    @property
    def takes_all(self) -> bool:
        """Whether every eligible item will be a candidate: then no branch need be asked about."""
        return self.eligible(self.root) <= self.options.wanted

    @property
    def is_free(self) -> bool:
        """Whether asking costs nothing, so that a walk may look further."""
        return isinstance(self.judge, SimilarityJudge)

    @property
    def has_limits(self) -> bool:
        """Whether there is a budget that can end the asking before the questions end."""
        return self.tracker is not None and self.tracker.budget.is_set

    @property
    def most_leaves(self) -> int:
        """How many leaves are gathered; whole ones cost a question each."""
        if self.options.shows_whole_leaves:
            return self.options.leaves or WHOLE_LEAVES
        return self.options.leaves or (FREE_LEAVES if self.is_free else LEAVES)

    def described(self, node: Node) -> Description:
        """Return what is told of *node*; of its titles, those that the predicate lets through."""
        if self.selection is None:
            return node.description
        pairs = zip(node.description.titles, node.description.typical, strict=False)
        kept = [pair for pair in pairs if self.eligibility.selects(pair[1])]
        titles, numbers = zip(*kept, strict=True) if kept else ((), ())
        return replace(node.description, titles=titles, typical=numbers)

    def ask(self, questions: Sequence[Question]) -> list[Verdict]:
        """Put questions to the judge, several at once where it likes that; bill the answers.

        The answers come back, and are recorded, in the order of the questions, whichever was
        ready first. Where one fails, the others that have begun are recorded all the same.
        """
        if self.silent or not questions:
            return self.ask_nobody(questions)
        self.waits[questions[0].stage] += 1
        if self.tracker is not None or self.person:
            questions = [
                replace(question, tracker=self.tracker, person=self.person)
                for question in questions
            ]
        if self.executor is None or len(questions) < 2:
            return [
                self._answered(question, partial(self.judge.choose, question))
                for question in questions
            ]
        return self._asked_at_once(questions, self.executor)

    def _asked_at_once(self, questions: Sequence[Question], executor: Executor) -> list[Verdict]:
        # Whoever asks may have said on this thread for whom; on others it is to be known too.
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
                    verdicts.append(self._answered(question, ready.result))
        except KeyboardInterrupt:
            if self.tracker is None:
                self._record_rest(waiting, patient=False)
                raise
            self.stop("interrupted")
        except BaseException as error:
            # What a failure leaves under way is paid for and waited for; who interrupts does
            # not want to wait.
            self._record_rest(waiting, patient=isinstance(error, UnillmrecError))
            raise
        for _, future in waiting:
            future.cancel()
        return verdicts + self.ask_nobody(questions[len(verdicts) :])

    def ask_history(self, question: HistoryQuestion) -> Interests:
        """Ask the judge what a person likes; bill the answer."""
        question = replace(question, tracker=self.tracker, person=self.person)
        self.waits[question.stage] += 1
        try:
            answer = self.judge.interests(question)
        except UnillmrecError as error:
            self._record_failure(question.stage, error, None)
            if not self._goes_on(error):
                raise
            answer = self._instead(question)
        except KeyboardInterrupt:
            if self.tracker is None:
                raise
            self.stop("interrupted")
            answer = self._instead(question)
        self.note(question.stage, answer)
        for exchange in answer.exchanges:
            self.trace(question.stage, exchange, None)
        return answer

    def _instead(self, question: HistoryQuestion) -> Interests:
        return replace(self.fallback.interests(question), fallback=self.fallback.name)

    def stop(self, why: StopReason, failure: str = "") -> None:
        """Ask nobody any more who costs anything; the first reason is the one that is told.

        A question that was too large for what is left leaves room for a smaller one.
        """
        if not self.partial:
            self.partial, self.failure = why, failure
        self.silent = self.silent or why not in ("tokens", "cost")

    def _answered(self, question: Question, answer: Callable[[], Verdict]) -> Verdict:
        """Return an answer when it is on record; with a purse, whatever becomes of it."""
        if self.silent:
            return self._stood_in(question)
        try:
            return self._recorded(question, answer)
        except UnillmrecError as error:
            if not self._goes_on(error):
                raise
        except KeyboardInterrupt:
            if self.tracker is None:
                raise
            self.stop("interrupted")
        return self._stood_in(question)

    def _goes_on(self, error: UnillmrecError) -> bool:
        """Return whether the run ends in order though this happened, and remember why."""
        if not self.has_limits:
            return False
        if isinstance(error, BudgetError):
            self.stop(error.limit)
        elif not isinstance(error, EndpointError | ReplyError):
            return False
        elif self.tracker is not None and self.tracker.is_late:
            self.stop("deadline")
        elif isinstance(error, CallError) and error.kind in _MISTAKES and not self._by_judge:
            # Nobody was ever asked with success: that is for the user to mend.
            return False
        else:
            self.stop("endpoint", error.problem)
        return True

    @property
    def _by_judge(self) -> int:
        return self.answers - self.fallback_answers.total()

    def _stood_in(self, question: Question) -> Verdict:
        """Return the embedded judge's answer, marked as such."""
        verdict = replace(self.fallback.choose(question), fallback=self.fallback.name)
        self.note(question.stage, verdict)
        return verdict

    def _recorded(self, question: Question, answer: Callable[[], Verdict]) -> Verdict:
        """Return an answer when it is on record; if it fails, its calls are."""
        try:
            verdict = answer()
        except UnillmrecError as error:
            self._record_failure(question.stage, error, question)
            raise
        self.note(question.stage, verdict)
        self.trace(question.stage, verdict, question)
        return verdict

    def _record_rest(
        self, waiting: deque[tuple[Question, Future[Verdict]]], *, patient: bool
    ) -> None:
        for _, future in waiting:
            future.cancel()
        for question, future in waiting:
            if not future.cancelled() and (patient or future.done()):
                # The error that ended the walk is the one to tell; this one is in the trace.
                with suppress(UnillmrecError):
                    self._recorded(question, future.result)

    def _record_failure(
        self, stage: Stage, error: UnillmrecError, question: Question | None
    ) -> None:
        """Put the calls of a question that failed on the bill, the log and the trace."""
        for exchange in error.exchanges:
            self.bill.add(stage, exchange.usage)
            self.on_call(stage, exchange)
            self.trace(stage, exchange, question)

    def ask_nobody(self, questions: Sequence[Question]) -> list[Verdict]:
        """Let the embedded judge answer, at no cost."""
        return [self._stood_in(question) for question in questions]

    def cut_short(self, why: StopReason) -> None:
        """Remember that recall stopped asking to leave something for the ranking."""
        self.cut = self.cut or why

    def report(self, event: WalkStep) -> None:
        """Put an opened node on the record, and tell whoever watches."""
        self.opened.append(event)
        self.watch(event)

    def note(self, stage: Stage, answer: Verdict | Interests) -> None:
        """Put an answer on the bill, its calls on the log, and what was dropped on the record."""
        self.bill.add(stage, answer.usage)
        self.dropped += answer.dropped
        self.answers += 1
        if answer.fallback:
            self.fallback_answers[answer.fallback] += 1
        for exchange in answer.exchanges:
            self.on_call(stage, exchange)

    def branch_choices(self, nodes: Sequence[Node]) -> tuple[Choice, ...]:
        """Return numbered choices for *nodes*, each with how many items it has.

        Nothing in them is about the person: what the predicate lets through is counted, seen
        or not, so that a line is the same for everybody and servers can keep a prompt that
        begins with it.
        """
        return tuple(
            Choice(number, self.described(n).line(self.selected(n)), n.id, self.prior_of(n))
            for number, n in enumerate(nodes, start=1)
        )

    def item_choices(self, items: Sequence[PlacedItem], length: int) -> tuple[Choice, ...]:
        """Return numbered choices for *items*, their lines at most *length* characters."""
        return tuple(
            Choice(number, item_line(each.item, length), each.number, self.prior_of(each))
            for number, each in enumerate(items, start=1)
        )

    def prior_of(self, each: PlacedItem | Node) -> float | None:
        """Return how popular an item or a node is, if the tree was told."""
        return each.prior if self.tree.has_prior else None

    def windows(self, question: Question) -> list[tuple[Question, dict[int, int]]]:
        """Part a question into ones that fit, each with the way from number to key.

        No part asks for more than it has. Each is turned by the seed, so that no place in a
        list is always the best one's.
        """
        return [
            (part, {choice.number: choice.key for choice in part.choices})
            for part in map(self._turned, self.judge.windows(question))
        ]

    def _turned(self, question: Question) -> Question:
        choices = turned(question, self.options.seed)
        return replace(question, choices=choices, limit=min(question.limit, len(choices)))
