"""Describing as the command line asks for it: the cost first, then progress, trace and log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from unillmrec.cli.shared.answer_sources import Answers
from unillmrec.cli.shared.confirm import confirm
from unillmrec.cli.shared.output import format_count
from unillmrec.cli.shared.plan_output import PlanReport, format_total
from unillmrec.cli.shared.session import open_log, reach
from unillmrec.cli.shared.trace import WriteTrace, open_trace
from unillmrec.describing.run import (
    DescribeOptions,
    DescribePlan,
    DescribeReport,
    Which,
    describe,
    plan_describing,
)
from unillmrec.endpoint import Endpoint
from unillmrec.errors import ReplyError
from unillmrec.judge.describer import LanguageModelDescriber
from unillmrec.judge.from_settings import build_endpoint, build_writer, find_price
from unillmrec.judge.sibling_questions import Summaries
from unillmrec.planning.planner import Plan, Planner
from unillmrec.settings import Settings
from unillmrec.store import EditableTree, ItemTree
from unillmrec.usage import Stage


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the flags say."""

    tree: Path
    options: DescribeOptions
    settings: Settings
    answers: Answers = field(default_factory=Answers)

    @classmethod
    def of(
        cls,
        tree: Path,
        which: tuple[bool, bool],
        bounds: tuple[float, int | None, int | None],
        flags: Mapping[str, object],
        answers: Answers | None = None,
    ) -> Wishes:
        """Put everything in its place."""
        stale, everything = which
        if stale and everything:
            raise typer.TyperException("--stale and --all are different wishes; give one.")
        kind: Which = "stale" if stale else "all" if everything else "missing"
        answers = answers or Answers()
        settings = answers.settle(Settings.resolve(flags))
        return cls(tree, DescribeOptions(kind, *bounds), settings, answers)


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be described, and what that would cost."""

    work: DescribePlan
    plan: Plan
    prompts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Described:
    """What was done; *run* is its name in the usage log."""

    report: DescribeReport
    tree: Path
    options: DescribeOptions
    run: str
    prompts: Mapping[str, str]
    cache: Mapping[str, Any] = field(default_factory=dict)

    def raise_failure(self) -> None:
        """Do nothing where something was described, or nothing was to be.

        Raises:
            EndpointError: the endpoint ended the run.
            ReplyError: none of the answers could be used.
        """
        report = self.report
        if report.stopped:
            raise report.stopped
        if report.undescribed and not report.described:
            raise ReplyError(
                f"none of {format_count(len(report.undescribed), 'node')} was described.",
                detail=report.undescribed[0].reason + ".",
                remedy="a larger model, or --trace FILE to see the exchange.",
            )


def plan_for(wishes: Wishes) -> Planned:
    """Write and count every prompt, and send none."""
    writer = build_writer(wishes.settings)
    with ItemTree.open(wishes.tree) as tree:
        work = plan_describing(tree, writer, wishes.options)
    planner = Planner.of(wishes.settings, wishes.tree)
    plan = planner.plan({Stage.DESCRIBE: work.usage}, at_once=wishes.settings.concurrency)
    return Planned(work, plan, {"describe": writer.prompts["describe"].digest})


def told_plan(wishes: Wishes) -> PlanReport:
    """Return the plan with what is said round it."""
    planned = plan_for(wishes)
    work = planned.work
    return PlanReport(
        planned.plan,
        what=f"Describing {_told_work(work)}",
        model=wishes.settings.model,
        about={
            "nodes": work.nodes,
            "families": work.families,
            "tree": str(wishes.tree),
            "prompts": dict(planned.prompts),
            "first_prompt": [
                {"role": each.role, "content": each.content}
                for each in (work.first.messages if work.first else ())
            ],
        },
    )


def describe_tree(wishes: Wishes, trace: Path | None, *, yes: bool) -> Described:
    """Say what it will cost, ask whether to go on, and describe.

    Raises:
        SettingsError: no endpoint is set, or nobody said yes.
    """
    wishes.settings.require_endpoint()
    planned = plan_for(wishes)
    with ExitStack() as stack:
        log = stack.enter_context(open_log(wishes.tree, wishes.settings, "describe"))
        # A file that cannot be changed should fail before anything is paid for.
        tree = EditableTree.open(wishes.tree)
        stack.enter_context(tree)
        answers = stack.enter_context(wishes.answers.opened(wishes.settings, log.run))
        endpoint: Endpoint | None = answers.replayed
        if endpoint is None:
            made = build_endpoint(wishes.settings, wishes.settings.model or "")
            if planned.work.nodes:
                confirm(told_cost(planned, f"{made.model} at {made.name}"), yes=yes)
            price = find_price(wishes.settings)
            endpoint = reach(stack.enter_context(made), log, answers, price)
        writer = build_writer(wishes.settings)
        at_once = wishes.settings.concurrency
        describer = LanguageModelDescriber(endpoint, writer, at_once=at_once)
        about = {"run": answers.run, "describer": describer.name}
        write = stack.enter_context(open_trace(trace, about, planned.prompts))
        with _progress(planned.work.nodes) as told:
            report = describe(
                tree, describer, wishes.options, on_answer=_traced(write), on_progress=told
            )
        report.seconds = answers.measurement("seconds", report.seconds)
        made_of = (wishes.tree, wishes.options, answers.run, planned.prompts)
        return Described(report, *made_of, cache=answers.as_dict())


def told_cost(planned: Planned, who: str) -> str:
    """Say what describing will cost, before it does."""
    return f"{_told_work(planned.work)}: {format_total(planned.plan, to=who)}"


def _told_work(work: DescribePlan) -> str:
    return (
        f"{format_count(work.nodes, 'node')} in {format_count(work.families, 'family', 'families')}"
    )


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Give what shows how many nodes are done with, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda nodes: None
        return
    with Progress(
        TextColumn("describing"),
        BarColumn(bar_width=30, style="dim"),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        task = bars.add_task("", total=total)
        yield lambda nodes: bars.advance(task, nodes)


def _traced(write: WriteTrace | None) -> Callable[[Summaries], None]:
    """Return what writes the exchanges of an answer to the trace, if there is one."""

    def on_answer(summaries: Summaries) -> None:
        for exchange in summaries.exchanges if write else ():
            assert write is not None
            write(
                {
                    "stage": "describe",
                    "kind": "describe",
                    "summaries": dict(summaries.texts),
                    "dropped": summaries.dropped.as_dict(),
                    "messages": [
                        {"role": role, "content": content} for role, content in exchange.messages
                    ],
                    "reply": exchange.reply,
                    "asked_with": exchange.asked_with,
                    "finish": exchange.finish,
                    "model": exchange.model,
                    "seconds": round(exchange.seconds, 3),
                    "usage": exchange.usage.as_dict(),
                }
            )

    return on_answer
