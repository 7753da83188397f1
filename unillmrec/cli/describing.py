"""Describing as the command line asks for it: the cost first, then progress, trace and log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from unillmrec.cli.asking import announced, open_log
from unillmrec.cli.consent import go_on
from unillmrec.cli.render import counted
from unillmrec.cli.tracing import WriteTrace, open_trace
from unillmrec.errors import ReplyError
from unillmrec.indexing.summaries import (
    DescribeOptions,
    DescribePlan,
    DescribeReport,
    Which,
    describe,
    plan_describing,
)
from unillmrec.judge.describer import LanguageModelDescriber
from unillmrec.judge.families import Summaries
from unillmrec.judge.making import make_endpoint, make_writer
from unillmrec.settings import Settings
from unillmrec.store import EditableTree, ItemTree
from unillmrec.tokens import TokenCounter
from unillmrec.usage_log import LoggedEndpoint


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the flags say."""

    tree: Path
    options: DescribeOptions
    settings: Settings

    @classmethod
    def of(
        cls,
        tree: Path,
        which: tuple[bool, bool],
        bounds: tuple[float, int | None, int | None],
        flags: Mapping[str, object],
    ) -> Wishes:
        """Put everything in its place."""
        stale, everything = which
        if stale and everything:
            raise typer.TyperException("--stale and --all are different wishes; give one.")
        kind: Which = "stale" if stale else "all" if everything else "missing"
        return cls(tree, DescribeOptions(kind, *bounds), Settings.resolve(flags))


@dataclass(frozen=True, slots=True)
class Planned:
    """What describing would cost, and how far the counts can be trusted."""

    plan: DescribePlan
    tree: Path
    options: DescribeOptions
    model: str | None
    counted: str
    prompts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Described:
    """What was done; *run* is its name in the usage log."""

    report: DescribeReport
    tree: Path
    options: DescribeOptions
    run: str
    prompts: Mapping[str, str]

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
                f"none of {counted(len(report.undescribed), 'node')} was described.",
                detail=report.undescribed[0].reason + ".",
                remedy="a larger model, or --trace FILE to see the exchange.",
            )


def plan_for(wishes: Wishes) -> Planned:
    """Write and count every prompt, and send none."""
    writer = make_writer(wishes.settings)
    with ItemTree.open(wishes.tree) as tree:
        plan = plan_describing(tree, writer, wishes.options)
    counted_how = TokenCounter.for_model(wishes.settings.model).method
    digests = {"describe": writer.prompts["describe"].digest}
    return Planned(plan, wishes.tree, wishes.options, wishes.settings.model, counted_how, digests)


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
        endpoint = make_endpoint(wishes.settings, wishes.settings.model or "")
        if planned.plan.nodes:
            go_on(_told_cost(planned, endpoint.name), yes=yes)
        logged = LoggedEndpoint(announced(stack.enter_context(endpoint)), log)
        writer = make_writer(wishes.settings)
        at_once = wishes.settings.concurrency
        describer = LanguageModelDescriber(logged, writer, at_once=at_once)
        about = {"run": log.run, "describer": describer.name}
        write = stack.enter_context(open_trace(trace, about, planned.prompts))
        with _progress(planned.plan.nodes) as told:
            report = describe(tree, describer, wishes.options, on_answer=_traced(write), told=told)
    return Described(report, wishes.tree, wishes.options, log.run, planned.prompts)


def _told_cost(planned: Planned, where: str) -> str:
    plan = planned.plan
    usage = plan.usage
    return (
        f"{counted(plan.nodes, 'node')} in {counted(plan.families, 'family', 'families')}: "
        f"{counted(usage.calls, 'call')} to {planned.model} at {where}, about "
        f"{usage.estimated_prompt:,} prompt and {usage.estimated_completion:,} completion tokens."
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
