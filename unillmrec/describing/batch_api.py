"""Describe a tree through a Batch API: upload a level, wait, import the results, go on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from unillmrec.describing.files import (
    FileEndpoint,
    ImportReport,
    Manifest,
    OnAnswer,
    export_round,
    import_results,
)
from unillmrec.describing.run import DescribeOptions, end_describing
from unillmrec.endpoint.batch_api import RemoteBatch
from unillmrec.errors import EndpointError, StoreError
from unillmrec.judge import PromptWriter
from unillmrec.store import EditableTree

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0

OnStatus: TypeAlias = Callable[[RemoteBatch], None]


class BatchClient(Protocol):
    """Uploads files of requests, and downloads their results."""

    def start(self, file: Path, mark: str) -> RemoteBatch:
        """Upload a file and start a batch of its requests."""

    def find(self, mark: str) -> RemoteBatch | None:
        """Return the batch that was started with *mark*, if there is one."""

    def retrieve(self, batch_id: str) -> RemoteBatch:
        """Return how far a batch is."""

    def fetch(self, file_id: str, into: Path) -> None:
        """Download a file of results."""


@dataclass(slots=True)
class BatchApiReport:
    """The number of rounds of a run, and their results in total."""

    rounds: int = 0
    result: ImportReport = field(default_factory=ImportReport)


@dataclass(slots=True)
class BatchApiRun:
    """One run over a Batch API; after a kill, the next run continues with the same batches."""

    tree: EditableTree
    endpoint: FileEndpoint
    client: BatchClient
    writer: PromptWriter
    options: DescribeOptions
    on_answer: OnAnswer = lambda reply: None
    on_status: OnStatus = lambda batch: None
    sleep: Callable[[float], object] = time.sleep

    def run(self) -> BatchApiReport:
        """Describe level by level until no node is left.

        Raises:
            EndpointError: the endpoint has no Batch API, refused, or gave up on a batch.
        """
        report = BatchApiReport()
        manifest = Manifest(self.tree.path)
        while True:
            if not manifest.files:
                path = self.tree.path.with_name(f"{manifest.path.name}-requests.jsonl")
                if not export_round(
                    self.tree, self.endpoint, self.writer, self.options, manifest, path
                ):
                    break
            report.rounds += 1
            for file in list(manifest.files):
                self._finish_file(manifest, Path(file), report.result)
        manifest.clear()
        end_describing(self.tree, self.options)
        return report

    def _finish_file(self, manifest: Manifest, file: Path, result: ImportReport) -> None:
        """Wait for the batch of one file, and import its results."""
        batch = self._start_or_resume(manifest, file)
        pause = FIRST_PAUSE_SECONDS
        while not batch.is_over:
            self.on_status(batch)
            self.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
            batch = self._refresh(batch)
        self.on_status(batch)
        results = []
        for number, output in enumerate(batch.outputs, start=1):
            into = file.with_name(f"{file.stem}-results-{number}.jsonl")
            self.client.fetch(output, into)
            results.append(into)
        names = _names_in(file)
        _add(
            result,
            import_results(
                self.tree, self.endpoint, self.writer, manifest, results, self.on_answer
            ),
        )
        # Requests that an expired batch left out are sent again in the next round.
        lost = [name for name in names if name in manifest.waiting]
        manifest.add({"over": str(file), "lost": lost})
        for path in (file, *results):
            path.unlink(missing_ok=True)
        if batch.status == "failed" or (lost and not results):
            raise EndpointError(
                f"the batch {batch.id} ended as {batch.status!r}.",
                detail=batch.problem,
                remedy="the same command again, which asks for what is missing.",
            )

    def _start_or_resume(self, manifest: Manifest, file: Path) -> RemoteBatch:
        if manifest.files[str(file)]:
            return self.client.retrieve(manifest.files[str(file)])
        # A run may have been killed between the start of a batch and its line in the manifest.
        mark = f"{manifest.mark} {file.name}"
        try:
            batch = self.client.find(mark) or self.client.start(file, mark)
        except EndpointError as error:
            if not (error.retryable or any(manifest.files.values())):
                # Nothing was sent, and sending again would fail again.
                manifest.clear()
                file.unlink(missing_ok=True)
            raise
        manifest.add({"file": str(file), "batch": batch.id})
        return batch

    def _refresh(self, batch: RemoteBatch) -> RemoteBatch:
        """Return the present state of a batch; a failed look-up does not end a wait of hours."""
        with suppress(EndpointError):
            return self.client.retrieve(batch.id)
        return batch


def _names_in(file: Path) -> list[str]:
    try:
        with file.open(encoding="utf-8") as lines:
            return [json.loads(line)["custom_id"] for line in lines]
    except OSError as error:
        raise StoreError(
            f"{file} cannot be read: {error.strerror}.",
            detail="The endpoint is answering its requests.",
            remedy=f"restore it, or remove {file.parent / '*.describing'} to start again.",
        ) from error


def _add(total: ImportReport, part: ImportReport) -> None:
    for name in ("described", "gone", "shortened", "failed", "foreign"):
        setattr(total, name, getattr(total, name) + getattr(part, name))
    total.waiting = part.waiting
    total.problems += part.problems
    total.dropped += part.dropped
    total.usage += part.usage
