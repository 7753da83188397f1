"""One batch from start to end: who is left, what becomes of them, when to stop."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from unillmrec.batch.journal import ANSWERS, SUFFIX, Journal, Outcome
from unillmrec.batch.output import PROBLEMS, Output, check_files
from unillmrec.batch.person_runner import JudgeOver, Made, PersonRunner
from unillmrec.batch.workers import Engine, Threads
from unillmrec.budget import Budget, WaitingBudgetTracker
from unillmrec.endpoint import FATAL_FAILURES, CallError
from unillmrec.errors import BatchError, BudgetError, PersonError, ReplyError, UnillmrecError
from unillmrec.people.people_file import PeopleFile, PersonRow
from unillmrec.prices import Money, Price
from unillmrec.stages import Options, Person
from unillmrec.stages.people_order import order_by_path
from unillmrec.store import ItemTree
from unillmrec.store.survey import fingerprint
from unillmrec.usage import Stage, Usage

# So many people are read, and put in order, at a time; the memory holds no more.
BLOCK = 2_000
# So many failures in a row, beyond those that were under way together, and the endpoint is
# taken to be down.
PATIENCE = 3

Order: TypeAlias = Callable[[ItemTree, Sequence[Person]], Sequence[int]]
"""Returns the places of people in the order in which they are best asked about."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a batch is made.

    *recommend*, *where* and *exclude* are as for one person. *at_once* is how many people are
    in work at the same time. *budget* is for the whole batch, over all of its runs; only its
    seconds are those of one run. *restart* begins anew, whatever was done before.
    """

    recommend: Options = field(default_factory=Options)
    where: str | None = None
    exclude: tuple[str, ...] = ()
    at_once: int = 12
    as_they_come: bool = False
    restart: bool = False
    budget: Budget = field(default_factory=Budget)


@dataclass(slots=True)
class BatchReport:
    """What was done, over all runs of the batch; *people* is about how many there are.

    *resumed* of those *done* were done by earlier runs. *failed* were asked for in vain and
    will be again; *skipped* cannot be used. *cost* is None where a count of tokens is not known,
    and *known_cost* what the other calls cost; without a price, both are None. *stopped* is
    what ended the run before its end.
    """

    judge: str
    people: int
    done: int = 0
    resumed: int = 0
    skipped: int = 0
    failed: list[Outcome] = field(default_factory=list)
    usage: dict[Stage, Usage] = field(default_factory=dict)
    cost: Money | None = None
    known_cost: Money | None = None
    seconds: float = 0.0
    finished: bool = False
    stopped: UnillmrecError | None = None
    worst: UnillmrecError | None = None
    """The error of the first person who failed."""

    def total_usage(self) -> Usage:
        """Return the sum over all stages."""
        return sum(self.usage.values(), Usage())


Told: TypeAlias = Callable[[BatchReport], None]


class Batch:
    """One run of a batch: its files are open from the beginning to `close`.

    *needed* are files beside the tree and the people that must not be written over.
    """

    def __init__(
        self,
        tree: ItemTree,
        people: PeopleFile,
        out: Path,
        options: BatchOptions | None = None,
        *,
        judge_over: JudgeOver | None = None,
        about: Mapping[str, object] | None = None,
        price: Price | None = None,
        order: Order | None = None,
        needed: Iterable[Path] = (),
    ) -> None:
        self._tree = tree
        self._people = people
        self._out = out
        self._options = options or BatchOptions()
        self._price = price
        journal_path = out.with_name(out.name + SUFFIX)
        check_files(
            out,
            (out.with_name(out.name + PROBLEMS), journal_path),
            (people.path, tree.path, *needed),
        )
        digest, count = people.fingerprint()
        if out.exists() and not (self._options.restart or journal_path.exists()):
            raise BatchError(
                f"{out} exists already, and no batch of it is unfinished.",
                detail="Nothing was asked.",
                remedy="another -o, or --restart to write it anew.",
            )
        self.journal = Journal(journal_path)
        try:
            if self._options.restart:
                self.journal.empty()
            # Of a run on other processes that was killed.
            self.journal.take_in(journal_path.with_name(journal_path.name + ANSWERS))
            desk = PersonRunner(
                tree,
                self.journal,
                self._options.recommend,
                judge_over=judge_over,
                where=self._options.where,
                exclude=self._options.exclude,
            )
            self._begin({**_identity(tree, digest, desk, self._options), **(about or {})})
            self.report = BatchReport(desk.judge.name, count)
            self._count()
            desk.answers.tracker = self._tracker()
        except BaseException:
            self.close()
            raise
        self.desk = desk
        # Neighbours read the same prompts, which a server's prefix cache holds for a while.
        self._order = order or (order_by_path if desk.judge.works_without_vector else None)
        self._output = Output(out, self.journal, as_they_come=self._options.as_they_come)
        self._in_a_row = 0

    def close(self) -> None:
        """Let go of the files; a journal in which nothing is kept goes."""
        empty = not self.journal.about or not self.journal.has_anything()
        self.journal.close()
        if empty:
            _take_away(self.journal.path)

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, about: Mapping[str, object]) -> None:
        """Begin, or make sure that it is the same batch that goes on.

        Raises:
            BatchError: it is another one.
        """
        if not self.journal.about:
            self.journal.begin(about)
            return
        before = self.journal.about
        differ = [name for name in about if about[name] != before.get(name)]
        if differ:
            told = [_told_apart(name, before.get(name), about[name]) for name in differ]
            raise BatchError(
                f"{self._out} belongs to an unfinished batch with another {' and '.join(differ)}.",
                detail="; ".join([*told, "nothing was asked"]) + ".",
                remedy="the same command as before, another -o, or --restart to begin anew.",
            )

    def _tracker(self) -> WaitingBudgetTracker | None:
        """Return what is left of the budget after earlier runs, if there is one."""
        budget = self._options.budget
        if not budget.is_set:
            return None
        spent = self.report.total_usage()
        prompt = spent.estimated_prompt if spent.prompt is None else spent.prompt
        completion = spent.estimated_completion if spent.completion is None else spent.completion
        left = {
            "tokens": _less(budget.tokens, prompt + completion),
            "calls": _less(budget.calls, self.journal.requests()),
        }
        price = self._price.at_most if self._price else None
        money = budget.cost
        if money is not None and price is not None:
            money = max(0.0, money - price(prompt, completion))
        return WaitingBudgetTracker(replace(budget, cost=money, **left), price)

    def _count(self) -> None:
        report = self.report
        report.done = report.resumed = self.journal.count("done")
        report.skipped = self.journal.count("skipped")
        report.usage = self.journal.bill().by_stage()
        self._reckon()

    def _reckon(self) -> None:
        """Say in money what was used."""
        if self._price:
            total = self.report.total_usage()
            self.report.cost = self._price.cost_of(total)
            self.report.known_cost = Money(self._price.known_cost(total), self._price.currency)

    def run(self, engine: Engine | None = None, told: Told = lambda report: None) -> BatchReport:
        """Recommend to everybody who is left; *told* is told after each of them.

        Raises:
            BatchError: a file cannot be written.
            PersonError: the people cannot be read.
        """
        started = time.monotonic()
        report = self.report
        self._output.begin()

        def take(entry: PersonRow, made: Made | UnillmrecError) -> bool:
            goes_on = self._take(entry, made)
            report.seconds = time.monotonic() - started
            told(report)
            return goes_on

        told(report)
        try:
            engine = engine or Threads(self.desk, self._options.at_once)
            engine.run(self._due(), take)
            report.finished = report.stopped is None and not report.failed
        finally:
            report.seconds = time.monotonic() - started
            report.usage = self.journal.bill().by_stage()
            self._reckon()
            self._output.end(report.failed, finished=report.finished)
        if report.finished:
            self.journal.close()
            _take_away(self.journal.path)
        return report

    def _due(self) -> Iterator[PersonRow]:
        """Yield the people who are left, block by block in the best order."""
        entries = self._people.rows()
        while block := list(islice(entries, BLOCK)):
            settled = self.journal.settled([each.line for each in block])
            named = [(each.id, each.line) for each in block if each.person]
            first = self.journal.first_lines(named)
            left = []
            for each in block:
                if each.line in settled:
                    continue
                problem = each.problem
                if each.person and first[each.id] != each.line:
                    problem = f"the id {each.id!r:.60} is already on line {first[each.id]:,}"
                if problem:
                    self._skip(each, problem)
                else:
                    left.append(each)
            yield from self._ordered(left)

    def _ordered(self, entries: list[PersonRow]) -> list[PersonRow]:
        if self._order is None:
            return entries
        places = self._order(self._tree, [each.person for each in entries if each.person])
        return [entries[place] for place in places]

    def _take(self, entry: PersonRow, made: Made | UnillmrecError) -> bool:
        """Write down what became of a person; return whether to go on."""
        report = self.report
        if isinstance(made, Made):
            self._in_a_row = 0
            self.journal.settle(Outcome(entry.line, entry.id, "done", made.text, made.usage))
            self._output.add(made.text)
            report.done += 1
            for stage, usage in made.usage.items():
                report.usage[stage] = report.usage.get(stage, Usage()) + usage
            self._reckon()
        elif isinstance(made, PersonError):
            self._skip(entry, " ".join(filter(None, (made.problem, made.detail))).rstrip("."))
        elif isinstance(made, BudgetError):
            report.stopped = report.stopped or made
        elif isinstance(made, CallError | ReplyError):
            self._fail(entry, made)
        elif not (isinstance(made, BatchError) and self.desk.answers.is_halted):
            report.stopped = report.stopped or made
        return report.stopped is None

    def _skip(self, entry: PersonRow, problem: str) -> None:
        self.journal.settle(Outcome(entry.line, entry.id, "skipped", problem, {}))
        self.report.skipped += 1

    def _fail(self, entry: PersonRow, error: CallError | ReplyError) -> None:
        report = self.report
        tracker = self.desk.answers.tracker
        if tracker is not None and tracker.is_late:
            # The call had no longer to live than the batch.
            late = BudgetError("deadline", "the budget of deadline is spent.")
            report.stopped = report.stopped or late
            return
        if isinstance(error, CallError) and error.kind in FATAL_FAILURES:
            report.stopped = report.stopped or error
            return
        report.failed.append(Outcome(entry.line, entry.id, "skipped", error.problem, {}))
        report.worst = report.worst or error
        self._in_a_row += 1
        if self._in_a_row >= PATIENCE + self._options.at_once:
            report.stopped = report.stopped or error


def _identity(
    tree: ItemTree, people: str, desk: PersonRunner, options: BatchOptions
) -> dict[str, object]:
    """Return what must be the same for a batch to go on."""
    made = options.recommend
    return {
        "tree": fingerprint(tree),
        "people": people,
        "judge": desk.judge.name,
        "options": {name: getattr(made, name) for name in type(made).__slots__},
        "where": options.where,
        "exclude": list(options.exclude),
    }


def _told_apart(name: str, before: object, now: object) -> str:
    """Say in which way something differs; of several values, which of them."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = [each for each in {**before, **now} if before.get(each) != now.get(each)]
        return "; ".join(_told_apart(each, before.get(each), now.get(each)) for each in names)
    texts = [json.dumps(each, ensure_ascii=False) for each in (before, now)]
    before, now = (text if len(text) <= 100 else text[:99] + "…" for text in texts)
    return f"{name} was {before}, is {now}"


def _less(limit: int | None, spent: int) -> int | None:
    return None if limit is None else max(0, limit - spent)


def _take_away(journal: Path) -> None:
    for suffix in ("", "-wal", "-shm", ANSWERS):
        journal.with_name(journal.name + suffix).unlink(missing_ok=True)
