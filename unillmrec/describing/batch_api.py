"""Describing through a Batch API: upload a level, wait, take in what came, and the next level."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

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

Told = Callable[[RemoteBatch], None]


class Routes(Protocol):
    """Where files go, and where results come from."""

    def start(self, file: Path, mark: str) -> RemoteBatch:
        """Upload a file and have its requests answered."""

    def find(self, mark: str) -> RemoteBatch | None:
        """Return the batch that was started with a mark."""

    def retrieve(self, batch_id: str) -> RemoteBatch:
        """Return how far a batch is."""

    def fetch(self, file_id: str, into: Path) -> None:
        """Write a file of results."""


@dataclass(slots=True)
class BatchApiReport:
    """What all rounds of a run came to."""

    rounds: int = 0
    result: ImportReport = field(default_factory=ImportReport)


@dataclass(slots=True)
class ByBatches:
    """One run over a Batch API. Killed at any time, another one goes on with the same batches."""

    tree: EditableTree
    endpoint: FileEndpoint
    routes: Routes
    writer: PromptWriter
    options: DescribeOptions
    on_answer: OnAnswer = lambda reply: None
    told: Told = lambda batch: None
    sleep: Callable[[float], object] = time.sleep

    def run(self) -> BatchApiReport:
        """Describe level by level until nothing is left.

        Raises:
            EndpointError: the endpoint has no such routes, refused, or gave up on a batch.
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
                self._one(manifest, Path(file), report.result)
        manifest.clear()
        end_describing(self.tree, self.options)
        return report

    def _one(self, manifest: Manifest, file: Path, result: ImportReport) -> None:
        """See one file through to its end."""
        batch = self._started(manifest, file)
        pause = FIRST_PAUSE_SECONDS
        while not batch.is_over:
            self.told(batch)
            self.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
            batch = self._seen(batch)
        self.told(batch)
        fetched = []
        for number, output in enumerate(batch.outputs, start=1):
            into = file.with_name(f"{file.stem}-results-{number}.jsonl")
            self.routes.fetch(output, into)
            fetched.append(into)
        names = _names_in(file)
        _add(
            result,
            import_results(
                self.tree, self.endpoint, self.writer, manifest, fetched, self.on_answer
            ),
        )
        # What an expired batch left out goes out again with the next round.
        lost = [name for name in names if name in manifest.waiting]
        manifest.add({"over": str(file), "lost": lost})
        for path in (file, *fetched):
            path.unlink(missing_ok=True)
        if batch.status == "failed" or (lost and not fetched):
            raise EndpointError(
                f"the batch {batch.id} ended as {batch.status!r}.",
                detail=batch.problem,
                remedy="the same command again asks anew for what is missing.",
            )

    def _started(self, manifest: Manifest, file: Path) -> RemoteBatch:
        if manifest.files[str(file)]:
            return self.routes.retrieve(manifest.files[str(file)])
        # A run may have been killed between the start of a batch and its note.
        mark = f"{manifest.mark} {file.name}"
        try:
            batch = self.routes.find(mark) or self.routes.start(file, mark)
        except EndpointError as error:
            if not (error.retryable or any(manifest.files.values())):
                # Nothing went out, and nothing will this way.
                manifest.clear()
                file.unlink(missing_ok=True)
            raise
        manifest.add({"file": str(file), "batch": batch.id})
        return batch

    def _seen(self, batch: RemoteBatch) -> RemoteBatch:
        """Look again; a failure that may pass does not end a wait of hours."""
        with suppress(EndpointError):
            return self.routes.retrieve(batch.id)
        return batch


def _names_in(file: Path) -> list[str]:
    try:
        with file.open(encoding="utf-8") as lines:
            return [json.loads(line)["custom_id"] for line in lines]
    except OSError as error:
        raise StoreError(
            f"{file} cannot be read: {error.strerror}.",
            detail="Its requests are being answered.",
            remedy=f"restore it, or remove {file.parent / '*.describing'} to ask anew.",
        ) from error


def _add(total: ImportReport, more: ImportReport) -> None:
    for name in ("described", "gone", "shortened", "vain", "foreign"):
        setattr(total, name, getattr(total, name) + getattr(more, name))
    total.waiting = more.waiting
    total.problems += more.problems
    total.dropped += more.dropped
    total.usage += more.usage
