"""A batch as the command line asks for it: the files, the judge, the progress bar."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from unillmrec.batch import Batch, BatchOptions, BatchReport
from unillmrec.batch.plan import plan_batch
from unillmrec.batch.workers import Engine
from unillmrec.cli.recommend.run import budget_of, options_of
from unillmrec.cli.shared.answer_sources import Answers
from unillmrec.cli.shared.output import format_count, note
from unillmrec.cli.shared.plan_output import PlanReport
from unillmrec.cli.shared.session import asking_over
from unillmrec.errors import BudgetError, EndpointError, ReplyError
from unillmrec.judge import CONTRACTS
from unillmrec.judge.from_settings import find_price
from unillmrec.judge.voting import Votes
from unillmrec.people.history import read_history
from unillmrec.people.people_file import PeopleFile
from unillmrec.prices import Price
from unillmrec.prompts import PromptSet
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.system.processes import on_one_core
from unillmrec.usage_log import log_path


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the flags say."""

    tree: Path
    people: Path
    out: Path
    options: BatchOptions
    settings: Settings
    ray_workers: int | None = None
    votes: Votes = 1
    answers: Answers = field(default_factory=Answers)

    @classmethod
    def of(
        cls,
        files: tuple[Path, Path, Path],
        walk: Mapping[str, Any],
        limits: Mapping[str, Any],
        flags: Mapping[str, object],
        out: tuple[str | None, str | None],
        manner: tuple[bool, bool, int | None],
        answers: Answers | None = None,
    ) -> Wishes:
        """Put everything in its place."""
        answers = answers or Answers()
        if manner[2] is not None and answers != Answers():
            raise typer.TyperException(
                "--record, --replay and --cache are kept by one process; leave out --engine ray."
            )
        settings = answers.settle(Settings.resolve(flags))
        made, votes = options_of(walk)
        options = BatchOptions(
            recommend=made,
            where=out[0],
            exclude=read_history(out[1]),
            # While some people are between two calls, others fill their places.
            at_once=max(2 * settings.concurrency, settings.concurrency + 2),
            as_they_come=manner[0],
            restart=manner[1],
            budget=budget_of(limits),
        )
        return cls(*files, options, settings, manner[2], votes, answers)


@dataclass(frozen=True, slots=True)
class Batched:
    """What a run of a batch did; *run* is its name in the usage log.

    *cache* is what a cache was good for, if there was one.
    """

    report: BatchReport
    wishes: Wishes
    run: str
    cache: Mapping[str, Any] = field(default_factory=dict)

    @property
    def problems(self) -> Path | None:
        """Where it says which rows are not in the output, if there are any."""
        out = self.wishes.out
        path = out.with_name(f"{out.name}.problems.jsonl")
        return path if path.exists() else None

    def raise_failure(self) -> None:
        """Do nothing where everybody is done who can be.

        Raises:
            BudgetError: what may be spent is spent.
            EndpointError: the endpoint ended the run, or failed for somebody.
            ReplyError: nothing could be made of what the model answered.
        """
        report = self.report
        on = "The same command goes on where it stopped"
        if isinstance(report.stopped, BudgetError):
            limit = report.stopped.limit
            told = BudgetError(limit, report.stopped.problem)
            if limit == "deadline":
                # Each run has a deadline of its own.
                told.detail, told.remedy = f"{on}.", "the same command again."
            else:
                told.detail = f"{on}; for what is asked, it needs a larger budget of {limit}."
            raise told
        if report.stopped:
            raise report.stopped
        if report.worst:
            kind = ReplyError if isinstance(report.worst, ReplyError) else EndpointError
            people = format_count(len(report.failed), "person", "people")
            raise kind(
                f"{people} could not be recommended to.",
                detail=f"The first: {report.worst.problem}",
                remedy="the same command again, which asks for them only.",
            )


def run_batch(wishes: Wishes) -> Batched:
    """Recommend to everybody who is left, with the judge of the settings."""
    settings = wishes.settings
    about = {
        "prompts": {each.name: each.digest for each in PromptSet.load(CONTRACTS, settings.prompts)},
        "extra_body": dict(settings.extra_body),
        "ask": settings.ask,
        "votes": wishes.votes,
    }
    with (
        nullcontext() if wishes.ray_workers else on_one_core(),
        ItemTree.open(wishes.tree) as tree,
        asking_over(tree, settings, "batch", wishes.answers, wishes.votes) as asked,
        Batch(
            tree,
            PeopleFile(wishes.people),
            wishes.out,
            wishes.options,
            judge_over=asked.judge_over,
            about=about,
            price=_price(settings),
            needed=filter(None, [log_path(wishes.tree, settings.usage_log)]),
        ) as batch,
    ):
        try:
            with _progress(batch.report) as told:
                report = batch.run(_engine(wishes, batch, asked.run), told=told)
        except BaseException:
            _tell_how_to_go_on(batch.report)
            raise
        return Batched(report, wishes, asked.run, asked.answers.as_dict())


def _engine(wishes: Wishes, batch: Batch, run: str) -> Engine | None:
    if wishes.ray_workers is None:
        return None
    from unillmrec.batch.on_ray import OnRay

    return OnRay(
        batch,
        wishes.settings,
        wishes.options,
        tree=wishes.tree,
        votes=wishes.votes,
        workers=wishes.ray_workers,
        price=_price(wishes.settings),
        run=run,
    )


def _price(settings: Settings) -> Price | None:
    """Return what tokens cost: nothing, where vectors answer."""
    embedded = settings.judge == "embedded" or not settings.has_endpoint
    return Price(0, 0) if embedded else find_price(settings)


def _tell_how_to_go_on(report: BatchReport) -> None:
    done = f"{report.done:,} of about {report.people:,} people are done"
    note(f"{done}; the same command goes on where this one stopped.")


def plan_for(wishes: Wishes) -> PlanReport:
    """Walk for a sample of the people with the embedded judge, and count the prompts."""
    settings = wishes.settings
    with ItemTree.open(wishes.tree) as tree:
        made = plan_batch(tree, settings, PeopleFile(wishes.people), wishes.options, wishes.votes)
    return PlanReport(
        made.plan,
        what=f"Lists for {format_count(made.people, 'person', 'people')}",
        model=settings.model,
        walked=True,
        sampled=f"{made.sample:,} of them, {made.usable:,} usable",
        about={
            "tree": str(wishes.tree),
            "people": str(wishes.people),
            "total": made.people,
            "sample": made.sample,
            "usable": made.usable,
        },
    )


@contextmanager
def _progress(report: BatchReport) -> Iterator[Callable[[BatchReport], None]]:
    """Give what shows how far a batch is, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda report: None
        return
    with Progress(
        TextColumn("people"),
        BarColumn(bar_width=30, style="dim"),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}", style="dim", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        task = bars.add_task("", total=report.people, told="")

        def told(report: BatchReport) -> None:
            bars.update(task, completed=_through(report), told=_told(report))

        yield told


def _through(report: BatchReport) -> int:
    return report.done + report.skipped + len(report.failed)


def _told(report: BatchReport) -> str:
    usage = report.total_usage()
    prompt = usage.estimated_prompt if usage.prompt is None else usage.prompt
    completion = usage.estimated_completion if usage.completion is None else usage.completion
    rate = (report.done - report.resumed) / report.seconds if report.seconds else 0.0
    parts = [f"{rate:.1f}/s", f"{prompt + completion:,} tokens"]
    if report.known_cost is not None:
        least = "" if report.cost else "at least "
        parts.append(f"{least}{report.known_cost.amount:.2f} {report.known_cost.currency}")
    if report.failed:
        parts.append(f"{len(report.failed):,} failed")
    return ", ".join(parts)
