"""Run or plan a batch as the flags ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from unillmrec.batch import Batch, BatchOptions, BatchReport
from unillmrec.batch.plan import plan_batch
from unillmrec.batch.workers import Engine
from unillmrec.cli.batch.request import BatchRequest
from unillmrec.cli.flags.settings import settings_of
from unillmrec.cli.flags.values import budget_of, options_of, reply_files_of, votes_of
from unillmrec.cli.shared.output import format_count, note
from unillmrec.cli.shared.plan_output import PlanReport
from unillmrec.cli.shared.progress import progress_bars
from unillmrec.cli.shared.session import open_session, plan_settings
from unillmrec.errors import BudgetError, EndpointError, ReplyError
from unillmrec.people.history import read_history
from unillmrec.people.people_file import PeopleFile
from unillmrec.session import ReplyFiles, Session
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.system.processes import on_one_core
from unillmrec.usage_log import log_path


@dataclass(frozen=True, slots=True)
class BatchRun:
    """What a run of a batch did; *run* is its name in the usage log, *cache* what it saved."""

    report: BatchReport
    request: BatchRequest
    run: str
    cache: Mapping[str, Any] = field(default_factory=dict)

    @property
    def problems(self) -> Path | None:
        """The file that lists the rows without recommendations, if there are any."""
        out = self.request.out
        path = out.with_name(f"{out.name}.problems.jsonl")
        return path if path.exists() else None

    def raise_failure(self) -> None:
        """Raise the error of a batch that is not finished.

        Raises:
            BudgetError: the budget is spent.
            EndpointError: the endpoint ended the run, or failed for somebody.
            ReplyError: the model's replies could not be used.
        """
        report = self.report
        if isinstance(report.stopped, BudgetError):
            raise _explain_resuming(report.stopped)
        if report.stopped:
            raise report.stopped
        if report.worst:
            kind = ReplyError if isinstance(report.worst, ReplyError) else EndpointError
            raise kind(
                f"no recommendations for {format_count(len(report.failed), 'person', 'people')}.",
                detail=f"The first problem: {report.worst.problem}",
                remedy="the same command again, which retries only these.",
            )


def _explain_resuming(error: BudgetError) -> BudgetError:
    resumes = "The same command resumes where it stopped"
    explained = BudgetError(error.limit, error.problem)
    if error.limit == "deadline":
        # Each run has a deadline of its own.
        explained.detail, explained.remedy = f"{resumes}.", "the same command again."
    else:
        explained.detail = f"{resumes}, but needs a larger budget of {error.limit}."
    return explained


def run_batch(request: BatchRequest) -> BatchRun:
    """Recommend to everybody who is left, with the judge of the settings."""
    if request.ray_workers and reply_files_of(request) != ReplyFiles():
        raise typer.TyperException(
            "--record, --replay and --cache work in one process only; leave out --engine ray."
        )
    runs_model = settings_of(request).model_file is not None
    if request.ray_workers and runs_model:
        raise typer.TyperException(
            "--model-file runs in one process only; leave out --engine ray, or start a server."
        )
    with (
        nullcontext() if request.ray_workers or runs_model else on_one_core(),
        open_session(request.tree, request, "batch", votes_of(request)) as session,
        Batch(
            session.tree,
            PeopleFile(request.people),
            request.out,
            _batch_options(request, session.settings),
            build_judge=session.build_judge,
            about=_about(session),
            price=session.price,
            needed=filter(None, [log_path(request.tree, session.settings.usage_log)]),
        ) as batch,
    ):
        try:
            with _batch_progress(batch.report) as on_progress:
                report = batch.run(_engine(request, batch, session), on_progress=on_progress)
        except BaseException:
            done = f"{batch.report.done:,} of about {batch.report.people:,} people are done"
            note(f"{done}; the same command resumes where this one stopped.")
            raise
        return BatchRun(report, request, session.run, session.cache_report())


def _batch_options(request: BatchRequest, settings: Settings) -> BatchOptions:
    return BatchOptions(
        recommend=options_of(request),
        where=request.where,
        exclude=read_history(request.exclude),
        # While some people are between two calls, others use the free connections.
        at_once=max(2 * settings.concurrency, settings.concurrency + 2),
        unordered=request.unordered,
        restart=request.restart,
        budget=budget_of(request),
    )


def _about(session: Session) -> dict[str, object]:
    """Return what must be the same when the batch resumes."""
    return {
        "prompts": session.prompt_digests(),
        "extra_body": dict(session.settings.extra_body),
        "ask": session.settings.ask,
        "votes": session.votes,
    }


def _engine(request: BatchRequest, batch: Batch, session: Session) -> Engine | None:
    if request.ray_workers is None:
        return None
    from unillmrec.batch.on_ray import RayEngine

    return RayEngine(
        batch,
        session.settings,
        workers=request.ray_workers,
        votes=session.votes,
        run=session.run,
    )


def plan_lists(request: BatchRequest) -> PlanReport:
    """Walk for a sample of the people with the embedded judge, and count the prompts."""
    settings = plan_settings(request)
    options = _batch_options(request, settings)
    with ItemTree.open(request.tree) as tree:
        planned = plan_batch(tree, settings, PeopleFile(request.people), options, votes_of(request))
    return PlanReport(
        planned.plan,
        what=f"Lists for {format_count(planned.people, 'person', 'people')}",
        model=settings.model,
        walked=True,
        sampled=f"{planned.sample:,} of them, {planned.usable:,} usable",
        about={
            "tree": str(request.tree),
            "people": str(request.people),
            "total": planned.people,
            "sample": planned.sample,
            "usable": planned.usable,
        },
    )


@contextmanager
def _batch_progress(report: BatchReport) -> Iterator[Callable[[BatchReport], None]]:
    """Yield a callback that draws how many people are done, the rate and the cost."""
    total = report.people
    with progress_bars() as bars:

        def show(report: BatchReport) -> None:
            through = report.done + report.skipped + len(report.failed)
            text = f"{through:,}/{total:,}, {_format_rate(report)}"
            bars.report("people", through, total, text)

        yield show


def _format_rate(report: BatchReport) -> str:
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
