"""Run a batch on Ray: rows go to workers, lists and replies come back.

This process keeps the journal and writes the output, as always. An actor on this machine holds
what all workers share, and writes every reply to a file before a worker continues.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from unillmrec.batch.options import BatchOptions
from unillmrec.batch.person_runner import OutputLine, PersonRunner, WrapEndpoint
from unillmrec.batch.ray_sharing import SharedBudgetActor, SharedBudgetTracker, SharedReplyStore
from unillmrec.batch.runner import Batch
from unillmrec.batch.workers import GRACE_SECONDS, OnResult
from unillmrec.budget import Budget
from unillmrec.building.backends import RAY_CORES, start_ray
from unillmrec.endpoint import Endpoint, OpenAIEndpoint, Reply
from unillmrec.endpoint.wrappers.serialization import Plain, error_from_plain, error_to_plain
from unillmrec.errors import BatchError, UnillmrecError
from unillmrec.judge import Judge
from unillmrec.judge.from_settings import find_price
from unillmrec.judge.registry import build_judge
from unillmrec.judge.voting import Votes
from unillmrec.people.people_file import PersonRow
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.usage_log import LoggedEndpoint, UsageLog, log_path


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker starts from; all machines must see the tree at the same path.

    *seconds* are left until the deadline of the batch. *run* is its name in the usage log.
    """

    tree: str
    settings: Settings
    options: BatchOptions
    votes: Votes
    seconds: float | None
    run: str


class RayWorker:
    """Runs rows in a process of its own; an actor with several threads."""

    def __init__(self, config: WorkerConfig, shared: Any) -> None:
        settings = config.settings
        path = Path(config.tree)
        tree = ItemTree.open(path)
        log = UsageLog(
            log_path(path, settings.usage_log),
            command="batch",
            tree=path,
            warn=lambda text: None,
            run=config.run,
        )

        def build(wrap: WrapEndpoint) -> Judge:
            def wrap_logged(endpoint: OpenAIEndpoint) -> Endpoint:
                return wrap(LoggedEndpoint(endpoint, log, find_price(settings)))

            return build_judge(tree, settings, wrap=wrap_logged, votes=config.votes)

        self._replies = SharedReplyStore(shared)
        self._runner = PersonRunner(
            tree,
            self._replies,
            config.options.recommend,
            build_judge=build,
            where=config.options.where,
            exclude=config.options.exclude,
        )
        if config.options.budget.is_set:
            self._runner.replies.tracker = SharedBudgetTracker(shared, config.seconds)

    def run(self, row: PersonRow, replies: list[tuple[bytes, Reply]]) -> OutputLine | Plain:
        """Recommend to the person of a row; an error is returned as plain values."""
        self._replies.set_replies(row.line, replies)
        try:
            return self._runner.run(row)
        except UnillmrecError as error:
            return error_to_plain(error)


class RayEngine:
    """Runs a batch on the Ray cluster at RAY_ADDRESS, or on this machine."""

    def __init__(
        self, batch: Batch, settings: Settings, *, workers: int, votes: Votes = 1, run: str = ""
    ) -> None:
        self._batch = batch
        self._settings = settings
        self._workers = workers
        self._votes = votes
        self._run_name = run
        # Rows per worker: they mostly wait for the model.
        self._threads = max(1, -(-batch.options.at_once // workers))
        # The row and the worker of each running task.
        self._running: dict[Any, tuple[PersonRow, int]] = {}

    def run(self, rows: Iterator[PersonRow], on_result: OnResult) -> None:
        """Give each worker its next row as soon as it has finished one."""
        ray = start_ray(self._workers + 1, "a batch with the engine 'ray'")
        try:
            self._run(ray, rows, on_result)
        except ray.exceptions.RayError as error:
            message = str(error).strip().splitlines()
            raise BatchError(
                "a Ray worker failed.",
                detail=message[-1] if message else "It left no message.",
                remedy="the same command again, which resumes where this one stopped.",
            ) from error
        finally:
            self._batch.journal.import_replies()

    def _run(self, ray: Any, rows: Iterator[PersonRow], on_result: OnResult) -> None:
        shared, workers = self._start_actors(ray)
        try:
            self._run_rows(ray, workers, rows, on_result)
        except BaseException:
            # Calls in flight are paid for: wait for their replies, and send nothing new.
            shared.stop.remote()
            if tasks := list(self._running):
                done, _ = ray.wait(tasks, num_returns=len(tasks), timeout=GRACE_SECONDS)
                with suppress(ray.exceptions.RayError):
                    for task in done:
                        self._finish(ray, task, on_result)
            raise
        finally:
            for actor in (*workers, shared):
                ray.kill(actor)

    def _start_actors(self, ray: Any) -> tuple[Any, list[Any]]:
        """Return the actor with the shared state, on this machine, and the workers."""
        batch = self._batch
        tracker = batch.runner.replies.tracker
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        shared = ray.remote(num_cpus=0, max_concurrency=1_000, scheduling_strategy=here)(
            SharedBudgetActor
        ).remote(
            str(batch.journal.replies_path),
            self._settings.concurrency,
            tracker.budget if tracker else Budget(),
            batch.price,
        )
        config = WorkerConfig(
            str(batch.tree.path.resolve()),
            self._settings,
            batch.options,
            self._votes,
            tracker.seconds_left if tracker else None,
            self._run_name,
        )
        worker = ray.remote(num_cpus=RAY_CORES, max_concurrency=self._threads)(RayWorker)
        return shared, [worker.remote(config, shared) for _ in range(self._workers)]

    def _run_rows(
        self, ray: Any, workers: list[Any], rows: Iterator[PersonRow], on_result: OnResult
    ) -> None:
        # The first row runs alone, so that a wrong key fails only once.
        limit = 1
        continues = True
        while True:
            if continues:
                for row in islice(rows, limit - len(self._running)):
                    self._start_row(workers, row)
            if not self._running:
                return
            done, _ = ray.wait(list(self._running))
            for task in done:
                continues = self._finish(ray, task, on_result) and continues
                limit = self._threads * len(workers)

    def _start_row(self, workers: list[Any], row: PersonRow) -> None:
        busy = [number for _, number in self._running.values()]
        number = min(range(len(workers)), key=busy.count)
        replies = self._batch.journal.replies(row.line)
        self._running[workers[number].run.remote(row, replies)] = (row, number)

    def _finish(self, ray: Any, task: Any, on_result: OnResult) -> bool:
        row, _ = self._running.pop(task)
        result = ray.get(task)
        return on_result(row, error_from_plain(result) if isinstance(result, dict) else result)
