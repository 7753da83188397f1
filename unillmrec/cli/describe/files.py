"""Describing by files of requests and results, as the command line asks for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from unillmrec.cli.describe.run import Wishes, plan_for, told_cost
from unillmrec.cli.shared.confirm import confirm
from unillmrec.cli.shared.session import announced, open_log
from unillmrec.describing.batch_api import BatchApiRun
from unillmrec.describing.files import ImportReport, Manifest, export_round, import_results
from unillmrec.endpoint import Reply
from unillmrec.endpoint.batch_api import RemoteBatch
from unillmrec.judge.from_settings import build_endpoint, build_writer
from unillmrec.store import EditableTree
from unillmrec.usage import Stage
from unillmrec.usage_log import Call, UsageLog


@dataclass(frozen=True, slots=True)
class Files:
    """Which way the files go: over the endpoint's routes, out to *export*, or in from *results*."""

    export: Path | None = None
    results: tuple[Path, ...] = ()

    @classmethod
    def of(cls, batch_api: bool, export: Path | None, results: list[Path] | None) -> Files | None:
        """Return the one way that is wished for, if one is."""
        if sum((batch_api, export is not None, bool(results))) > 1:
            raise typer.TyperException(
                "--batch-api, --export-requests and --import-results are different wishes; "
                "give one."
            )
        return cls(export, tuple(results or ())) if batch_api or export or results else None


@dataclass(frozen=True, slots=True)
class ByFiles:
    """What was written, or what came of what was read; *run* is its name in the usage log."""

    tree: Path
    run: str
    report: ImportReport = field(default_factory=ImportReport)
    exported: tuple[Path, ...] | None = None
    requests: int = 0


def describe_by_files(wishes: Wishes, files: Files, *, yes: bool) -> ByFiles:
    """Write requests, take in results, or see both through over the endpoint's routes.

    Raises:
        SettingsError: no endpoint is set, or nobody said yes.
        EndpointError: the endpoint has no such routes, or gave up.
    """
    wishes.settings.require_endpoint()
    by_api = not files.export and not files.results
    planned = plan_for(wishes) if by_api else None
    writer = build_writer(wishes.settings)
    with ExitStack() as stack:
        log = stack.enter_context(open_log(wishes.tree, wishes.settings, "describe"))
        tree = stack.enter_context(EditableTree.open(wishes.tree))
        endpoint = stack.enter_context(build_endpoint(wishes.settings, wishes.settings.model or ""))
        manifest = Manifest(wishes.tree)
        if files.export:
            before = len(manifest.waiting)
            written = export_round(tree, endpoint, writer, wishes.options, manifest, files.export)
            report = ImportReport(waiting=len(manifest.waiting))
            requests = len(manifest.waiting) - before
            return ByFiles(wishes.tree, log.run, report, tuple(written), requests)
        logged = _logged(log, endpoint.model, endpoint.name)
        if files.results:
            report = import_results(tree, endpoint, writer, manifest, files.results, logged)
            if not manifest.waiting and not any(manifest.failures.values()):
                manifest.clear()
            return ByFiles(wishes.tree, log.run, report)
        announced(endpoint)
        if planned and planned.work.nodes and not manifest.waiting:
            confirm(told_cost(planned, f"{endpoint.model} at {endpoint.name}"), yes=yes)
        with _progress() as on_status:
            done = BatchApiRun(
                tree, endpoint, endpoint.batches, writer, wishes.options, logged, on_status
            ).run()
        return ByFiles(wishes.tree, log.run, done.result)


def _logged(log: UsageLog, model: str, name: str) -> Callable[[Reply], None]:
    """Return what writes an answer from a file to the usage log."""

    def on_answer(reply: Reply) -> None:
        log.add(Call(str(Stage.DESCRIBE), "batch", model, name, reply.usage, reply.asked_with))

    return on_answer


@contextmanager
def _progress() -> Iterator[Callable[[RemoteBatch], None]]:
    """Give what shows how far a batch is, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda batch: None
        return
    with Progress(
        TextColumn("{task.description}", style="dim", markup=False),
        BarColumn(bar_width=30, style="dim"),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        task = bars.add_task("", total=None)

        def told(batch: RemoteBatch) -> None:
            about = f"{batch.id} {batch.status}"
            bars.update(task, description=about, completed=batch.done, total=batch.total or None)

        yield told
