"""Describe a tree, or plan it, as the flags ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from unillmrec.cli.describe.request import DescribeRequest
from unillmrec.cli.shared.confirm import confirm
from unillmrec.cli.shared.output import format_count
from unillmrec.cli.shared.plan_output import PlanReport, format_total
from unillmrec.cli.shared.progress import progress_bars
from unillmrec.cli.shared.session import open_session, plan_settings
from unillmrec.cli.shared.trace import WriteTrace, open_trace
from unillmrec.describing import run as describing
from unillmrec.describing.run import DescribeOptions, DescribePlan, DescribeReport, plan_describing
from unillmrec.errors import ReplyError
from unillmrec.judge.describer import LanguageModelDescriber
from unillmrec.judge.from_settings import build_writer
from unillmrec.judge.sibling_questions import Summaries
from unillmrec.planning.plan import Plan
from unillmrec.planning.planner import Planner
from unillmrec.settings import Settings
from unillmrec.store import EditableTree, ItemTree
from unillmrec.usage import Stage


@dataclass(frozen=True, slots=True)
class DescribeEstimate:
    """The nodes to describe, the expected cost, and the digest of the prompt."""

    work: DescribePlan
    plan: Plan
    prompts: Mapping[str, str]

    def format_work(self) -> str:
        """Return the number of nodes and families."""
        families = format_count(self.work.families, "family", "families")
        return f"{format_count(self.work.nodes, 'node')} in {families}"

    def format_cost(self, model: str) -> str:
        """Return the expected cost in one line."""
        return f"{self.format_work()}: {format_total(self.plan, to=model)}"


@dataclass(frozen=True, slots=True)
class DescribeOutcome:
    """What a run described; *run* is its name in the usage log, *cache* what it saved."""

    report: DescribeReport
    tree: Path
    options: DescribeOptions
    run: str
    prompts: Mapping[str, str]
    cache: Mapping[str, Any] = field(default_factory=dict)

    def raise_failure(self) -> None:
        """Raise the error of a run that failed.

        Raises:
            EndpointError: the endpoint ended the run.
            ReplyError: none of the replies could be used.
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


def describe_options(request: DescribeRequest) -> DescribeOptions:
    """Return which nodes the flags select.

    Raises:
        typer.TyperException: --stale and --all were both given.
    """
    if request.stale and request.all:
        raise typer.TyperException("--stale and --all exclude each other; give one.")
    return DescribeOptions(
        "stale" if request.stale else "all" if request.all else "missing",
        request.share,
        request.depth,
        request.max_nodes,
    )


def estimate(tree: Path, settings: Settings, options: DescribeOptions) -> DescribeEstimate:
    """Count every prompt of a run, and send none."""
    writer = build_writer(settings)
    with ItemTree.open(tree) as opened:
        work = plan_describing(opened, writer, options)
    planner = Planner.from_settings(settings, tree)
    plan = planner.plan({Stage.DESCRIBE: work.usage}, at_once=settings.concurrency)
    return DescribeEstimate(work, plan, {"describe": writer.prompts["describe"].digest})


def plan(request: DescribeRequest) -> PlanReport:
    """Estimate what describing would cost."""
    settings = plan_settings(request)
    estimated = estimate(request.tree, settings, describe_options(request))
    work = estimated.work
    return PlanReport(
        estimated.plan,
        what=f"Describing {estimated.format_work()}",
        model=settings.model,
        about={
            "nodes": work.nodes,
            "families": work.families,
            "tree": str(request.tree),
            "prompts": dict(estimated.prompts),
            "first_prompt": [
                {"role": each.role, "content": each.content}
                for each in (work.first.messages if work.first else ())
            ],
        },
    )


def describe(request: DescribeRequest) -> DescribeOutcome:
    """Print the expected cost, ask for confirmation, and describe.

    Raises:
        SettingsError: no endpoint is set, or the answer was not yes.
    """
    options, settings = describe_options(request), plan_settings(request)
    settings.require_endpoint()
    estimated = estimate(request.tree, settings, options)
    with (
        # A file that cannot be changed must fail before anything is paid for.
        EditableTree.open(request.tree) as tree,
        open_session(tree, request, "describe") as session,
    ):
        endpoint = session.open_endpoint()
        if estimated.work.nodes and not request.replay:
            cost = estimated.format_cost(f"{endpoint.model} at {endpoint.name}")
            confirm(cost, yes=request.yes)
        describer = LanguageModelDescriber(
            endpoint, build_writer(settings), at_once=settings.concurrency
        )
        about = {"run": session.run, "describer": describer.name}
        with (
            open_trace(request.trace, about, estimated.prompts) as write,
            _describe_progress(estimated.work.nodes) as on_progress,
        ):
            report = describing.describe(
                tree, describer, options, on_answer=_tracer(write), on_progress=on_progress
            )
        report.seconds = session.storage.measurement("seconds", report.seconds)
        return DescribeOutcome(
            report,
            request.tree,
            options,
            session.run,
            estimated.prompts,
            session.cache_report(),
        )


@contextmanager
def _describe_progress(total: int) -> Iterator[Callable[[int], None]]:
    """Yield a callback that adds to the number of finished nodes."""
    done = 0
    with progress_bars() as bars:

        def advance(nodes: int) -> None:
            nonlocal done
            done += nodes
            bars.report("describing", done, total)

        yield advance


def _tracer(write: WriteTrace | None) -> Callable[[Summaries], None]:
    """Return a callback that writes the exchanges of a reply to the trace, if there is one."""

    def on_answer(summaries: Summaries) -> None:
        for exchange in summaries.exchanges if write else ():
            assert write is not None
            write(
                {
                    "stage": "describe",
                    "kind": "describe",
                    "summaries": dict(summaries.texts),
                    "dropped": summaries.dropped.as_dict(),
                    **exchange.as_dict(),
                }
            )

    return on_answer
