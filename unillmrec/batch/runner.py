"""Run a batch: find the rows that are left, store their results, and decide when to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from unillmrec.batch.identity import batch_identity, check_same_batch
from unillmrec.batch.journal import SUFFIX, FailedRow, Journal
from unillmrec.batch.options import BatchOptions, BatchReport
from unillmrec.batch.output import PROBLEMS_SUFFIX, Output, check_files
from unillmrec.batch.person_runner import BuildJudge, OutputLine, PersonRunner
from unillmrec.batch.workers import Engine, ThreadEngine
from unillmrec.budget import WaitingBudgetTracker
from unillmrec.endpoint import FATAL_FAILURES, CallError
from unillmrec.errors import BatchError, BudgetError, PersonError, ReplyError, UnillmrecError
from unillmrec.people.people_file import PeopleFile, PersonRow
from unillmrec.prices import Price
from unillmrec.stages import Person
from unillmrec.stages.people_order import order_by_path
from unillmrec.store import ItemTree
from unillmrec.usage import Usage

# How many people are read and ordered at a time, to bound the memory.
BLOCK = 2_000
# How many failures in a row, beyond those that were in work together, mean that the endpoint is
# down.
FAILURES_BEFORE_STOP = 3

Order: TypeAlias = Callable[[ItemTree, Sequence[Person]], Sequence[int]]
"""Returns the positions of people in the best order to recommend to them."""
OnProgress: TypeAlias = Callable[[BatchReport], None]


class Batch:
    """One run of a batch; its files are open until `close`.

    *about* is what else must stay the same between runs. *needed* are files besides the tree and
    the people that must not be overwritten.
    """

    def __init__(
        self,
        tree: ItemTree,
        people: PeopleFile,
        out: Path,
        options: BatchOptions | None = None,
        *,
        build_judge: BuildJudge | None = None,
        about: Mapping[str, object] | None = None,
        price: Price | None = None,
        order: Order | None = None,
        needed: Iterable[Path] = (),
    ) -> None:
        self.tree = tree
        self.options = options or BatchOptions()
        self.price = price
        self._people = people
        self._out = out
        digest, count = people.fingerprint()
        self.journal = self._open_journal(needed)
        try:
            self.runner = PersonRunner(
                tree,
                self.journal,
                self.options.recommend,
                build_judge=build_judge,
                where=self.options.where,
                exclude=self.options.exclude,
            )
            judge = self.runner.judge
            self._check_identity(
                {**batch_identity(tree, digest, judge.name, self.options), **(about or {})}
            )
            self.report = self._initial_report(count)
            self.runner.replies.tracker = self._tracker()
        except BaseException:
            self.close()
            raise
        # Neighbours in the tree share prompts, which a server's prefix cache holds for a while.
        self._order = order or (order_by_path if judge.works_without_vector else None)
        self._output = Output(out, self.journal, unordered=self.options.unordered)
        self._failures_in_a_row = 0

    def _open_journal(self, needed: Iterable[Path]) -> Journal:
        """Check the files of the batch, and open its journal.

        Raises:
            BatchError: a file is in the way.
        """
        out = self._out
        path = out.with_name(out.name + SUFFIX)
        problems = out.with_name(out.name + PROBLEMS_SUFFIX)
        check_files(out, (problems, path), (self._people.path, self.tree.path, *needed))
        if out.exists() and not (self.options.restart or path.exists()):
            raise BatchError(
                f"{out} exists already, and does not belong to an unfinished batch.",
                detail="No call was made.",
                remedy="another -o, or --restart to overwrite it.",
            )
        journal = Journal(path)
        try:
            if self.options.restart:
                journal.clear()
            # A run on Ray that was killed has left them.
            journal.import_replies()
        except BaseException:
            journal.close()
            raise
        return journal

    def close(self) -> None:
        """Close the files, and delete a journal that holds nothing worth resuming."""
        if not self.journal.about or self.journal.is_empty():
            self.journal.delete()
        else:
            self.journal.close()

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_identity(self, about: Mapping[str, object]) -> None:
        if self.journal.about:
            check_same_batch(self._out, self.journal.about, about)
        else:
            self.journal.start(about)

    def _initial_report(self, people: int) -> BatchReport:
        """Return the report of what earlier runs did."""
        report = BatchReport(self.runner.judge.name, people)
        report.done = report.resumed = self.journal.count("done")
        report.skipped = self.journal.count("skipped")
        report.usage = self.journal.bill().by_stage()
        report.set_cost(self.price)
        return report

    def _tracker(self) -> WaitingBudgetTracker | None:
        """Return a tracker of what earlier runs left of the budget, if there is one."""
        budget = self.options.budget
        if not budget.is_set:
            return None
        spent = self.report.total_usage()
        prompt = spent.estimated_prompt if spent.prompt is None else spent.prompt
        completion = spent.estimated_completion if spent.completion is None else spent.completion
        price = self.price.at_most if self.price else None
        cost = budget.cost
        if cost is not None and price is not None:
            cost = max(0.0, cost - price(prompt, completion))
        left = replace(
            budget,
            tokens=_left(budget.tokens, prompt + completion),
            calls=_left(budget.calls, self.journal.requests()),
            cost=cost,
        )
        return WaitingBudgetTracker(left, price)

    def run(
        self, engine: Engine | None = None, on_progress: OnProgress = lambda report: None
    ) -> BatchReport:
        """Recommend to everybody who is left; call *on_progress* after each person.

        Raises:
            BatchError: a file cannot be written.
            PersonError: the people cannot be read.
        """
        started = time.monotonic()
        report = self.report
        self._output.open()

        def on_result(row: PersonRow, result: OutputLine | UnillmrecError) -> bool:
            self._store(row, result)
            report.seconds = time.monotonic() - started
            on_progress(report)
            return report.stopped is None

        on_progress(report)
        try:
            engine = engine or ThreadEngine(self.runner, self.options.at_once)
            engine.run(self._pending_rows(), on_result)
            report.finished = report.stopped is None and not report.failed
        finally:
            report.seconds = time.monotonic() - started
            report.usage = self.journal.bill().by_stage()
            report.set_cost(self.price)
            self._output.close(report.failed, finished=report.finished)
        if report.finished:
            self.journal.delete()
        return report

    def _pending_rows(self) -> Iterator[PersonRow]:
        """Yield the rows that are left, block by block, each block in the best order."""
        rows = self._people.rows()
        while block := list(islice(rows, BLOCK)):
            settled = self.journal.settled([each.line for each in block])
            first_lines = self.journal.first_lines(
                [(each.id, each.line) for each in block if each.person]
            )
            pending = []
            for row in block:
                if row.line in settled:
                    continue
                problem = row.problem
                if row.person and first_lines[row.id] != row.line:
                    problem = f"the id {row.id!r:.60} is already on line {first_lines[row.id]:,}"
                if problem:
                    self._skip(row, problem)
                else:
                    pending.append(row)
            yield from self._ordered(pending)

    def _ordered(self, rows: list[PersonRow]) -> list[PersonRow]:
        if self._order is None:
            return rows
        order = self._order(self.tree, [each.person for each in rows if each.person])
        return [rows[position] for position in order]

    def _store(self, row: PersonRow, result: OutputLine | UnillmrecError) -> None:
        """Store the result of a row; an error that ends the run goes to the report."""
        report = self.report
        if isinstance(result, OutputLine):
            self._add_line(row, result)
        elif isinstance(result, PersonError):
            self._skip(row, " ".join(filter(None, (result.problem, result.detail))).rstrip("."))
        elif isinstance(result, CallError | ReplyError):
            self._fail(row, result)
        elif not (isinstance(result, BatchError) and self.runner.replies.is_stopping):
            report.stopped = report.stopped or result

    def _add_line(self, row: PersonRow, line: OutputLine) -> None:
        report = self.report
        self._failures_in_a_row = 0
        self.journal.settle_done(row.line, row.id, line.text, line.usage)
        self._output.add(line.text)
        report.done += 1
        for stage, usage in line.usage.items():
            report.usage[stage] = report.usage.get(stage, Usage()) + usage
        report.set_cost(self.price)

    def _skip(self, row: PersonRow, problem: str) -> None:
        self.journal.settle_skipped(FailedRow(row.line, row.id, problem))
        self.report.skipped += 1

    def _fail(self, row: PersonRow, error: CallError | ReplyError) -> None:
        report = self.report
        tracker = self.runner.replies.tracker
        if tracker is not None and tracker.is_late:
            # The call timed out because the deadline of the batch passed.
            late = BudgetError("deadline", "the budget of deadline is spent.")
            report.stopped = report.stopped or late
            return
        if isinstance(error, CallError) and error.kind in FATAL_FAILURES:
            report.stopped = report.stopped or error
            return
        report.failed.append(FailedRow(row.line, row.id, error.problem))
        report.worst = report.worst or error
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= FAILURES_BEFORE_STOP + self.options.at_once:
            report.stopped = report.stopped or error


def _left(limit: int | None, spent: int) -> int | None:
    return None if limit is None else max(0, limit - spent)
