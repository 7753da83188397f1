"""Describe by files of requests and results: exported, imported, or over the Batch API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import typer

from unillmrec.cli.describe.request import DescribeRequest
from unillmrec.cli.describe.run import DescribeEstimate, describe_options, estimate
from unillmrec.cli.shared.confirm import confirm
from unillmrec.cli.shared.progress import progress_bars
from unillmrec.cli.shared.session import announce, open_log, plan_settings
from unillmrec.describing.batch_api import BatchApiRun
from unillmrec.describing.files import ImportReport, Manifest, export_round, import_results
from unillmrec.describing.run import DescribeOptions
from unillmrec.endpoint import OpenAIEndpoint, Reply
from unillmrec.endpoint.batch_api import RemoteBatch
from unillmrec.judge import PromptWriter
from unillmrec.judge.from_settings import build_endpoint, build_writer
from unillmrec.settings import Settings
from unillmrec.store import EditableTree
from unillmrec.usage import Stage
from unillmrec.usage_log import Call, UsageLog


@dataclass(frozen=True, slots=True)
class FilesOutcome:
    """The files that were written, or the results that were imported."""

    tree: Path
    run: str
    """The name in the usage log."""
    report: ImportReport = field(default_factory=ImportReport)
    exported: tuple[Path, ...] | None = None
    requests: int = 0


def describe_by_files(request: DescribeRequest) -> FilesOutcome:
    """Export requests, import results, or do both over the endpoint's Batch API.

    Raises:
        typer.TyperException: more than one of the three was asked for.
        SettingsError: no endpoint is set, or the answer was not yes.
        EndpointError: the endpoint has no Batch API, or gave up.
    """
    _check_flags(request)
    options, settings = describe_options(request), plan_settings(request)
    settings.require_endpoint()
    estimated = estimate(request.tree, settings, options) if request.batch_api else None
    writer = build_writer(settings)
    with (
        open_log(request.tree, settings, "describe") as log,
        EditableTree.open(request.tree) as tree,
        build_endpoint(settings, settings.model or "") as endpoint,
    ):
        run = _FilesRun(request, options, settings, tree, endpoint, writer, log)
        if request.export_requests:
            return run.export(request.export_requests)
        if request.import_results:
            return run.import_results(request.import_results)
        assert estimated is not None
        return run.use_batch_api(estimated)


def _check_flags(request: DescribeRequest) -> None:
    flags = (request.batch_api, request.export_requests, request.import_results)
    if sum(map(bool, flags)) > 1:
        raise typer.TyperException(
            "--batch-api, --export-requests and --import-results exclude each other; give one."
        )


@dataclass(frozen=True, slots=True)
class _FilesRun:
    """A tree, an endpoint and a usage log that are open."""

    request: DescribeRequest
    options: DescribeOptions
    settings: Settings
    tree: EditableTree
    endpoint: OpenAIEndpoint
    writer: PromptWriter
    log: UsageLog

    def export(self, path: Path) -> FilesOutcome:
        """Write the requests of the next level to *path*."""
        manifest = Manifest(self.request.tree)
        before = len(manifest.waiting)
        written = export_round(self.tree, self.endpoint, self.writer, self.options, manifest, path)
        waiting = len(manifest.waiting)
        report = ImportReport(waiting=waiting)
        return self._outcome(report, exported=tuple(written), requests=waiting - before)

    def import_results(self, files: list[Path]) -> FilesOutcome:
        """Import result files."""
        manifest = Manifest(self.request.tree)
        report = import_results(
            self.tree, self.endpoint, self.writer, manifest, tuple(files), self._log_reply
        )
        if not manifest.waiting and not any(manifest.failures.values()):
            manifest.clear()
        return self._outcome(report)

    def use_batch_api(self, estimated: DescribeEstimate) -> FilesOutcome:
        """Send every level to the Batch API, and wait for the results."""
        announce(self.endpoint)
        if estimated.work.nodes and not Manifest(self.request.tree).waiting:
            model = f"{self.endpoint.model} at {self.endpoint.name}"
            confirm(estimated.format_cost(model), yes=self.request.yes)
        with _batch_api_progress() as on_progress:
            done = BatchApiRun(
                self.tree,
                self.endpoint,
                self.endpoint.batches,
                self.writer,
                self.options,
                self._log_reply,
                on_progress,
            ).run()
        return self._outcome(done.result)

    def _log_reply(self, reply: Reply) -> None:
        """Add a reply from a file to the usage log."""
        model, name = self.endpoint.model, self.endpoint.name
        stage = str(Stage.DESCRIBE)
        self.log.add(Call(stage, "batch", model, name, reply.usage, reply.asked_with))

    def _outcome(
        self, report: ImportReport, exported: tuple[Path, ...] | None = None, requests: int = 0
    ) -> FilesOutcome:
        return FilesOutcome(self.request.tree, self.log.run, report, exported, requests)


@contextmanager
def _batch_api_progress() -> Iterator[Callable[[RemoteBatch], None]]:
    """Yield a callback that draws one bar per batch."""
    with progress_bars() as bars:

        def show(batch: RemoteBatch) -> None:
            done = f"{batch.status} {batch.done:,}/{batch.total:,}"
            bars.report(batch.id, batch.done, batch.total or None, done)

        yield show
