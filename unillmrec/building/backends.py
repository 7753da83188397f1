"""Where shard functions run: in this process, in worker processes, or on Ray.

A step is a function of a work folder and a number. Steps exchange nothing but files in that
folder, so the result does not depend on the backend.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from unillmrec.errors import MissingExtraError, TreeError
from unillmrec.system.processes import module_command
from unillmrec.system.worker_pool import run_tasks

BackendName: TypeAlias = Literal["local", "processes", "ray"]
Step: TypeAlias = Callable[[Path, int], None]
OnDone: TypeAlias = Callable[[int], None]
"""Called with each number once its step is done."""

# A task that asks for a whole core waits forever if the process that waits for it holds the last.
RAY_CORES = 0.5
RESUME = "the same command again with the same --work; fewer --workers if memory is short."


class Backend(Protocol):
    """Runs one step for many numbers."""

    def run(self, step: Step, work: Path, numbers: Sequence[int], on_done: OnDone) -> None:
        """Run *step* for all *numbers*, in any order.

        Raises:
            TreeError: one of them failed.
        """


def create_backend(name: BackendName, workers: int) -> Backend:
    """Return the backend of that name."""
    if name == "ray":
        return RayBackend(workers)
    return ProcessBackend(workers) if name == "processes" else LocalBackend()


class LocalBackend:
    """Runs one step after another in this process."""

    def run(self, step: Step, work: Path, numbers: Sequence[int], on_done: OnDone) -> None:
        """Run *step* for all *numbers*, in order."""
        for number in numbers:
            step(work, number)
            on_done(number)


class ProcessBackend:
    """Runs steps in worker processes; each gets its next number when it finishes one.

    *remedy* is what to try when a worker fails.
    """

    def __init__(self, workers: int, *, remedy: str = RESUME) -> None:
        self.workers = workers
        self._remedy = remedy

    def run(self, step: Step, work: Path, numbers: Sequence[int], on_done: OnDone) -> None:
        """Run *step* for all *numbers*; a failure ends all workers."""
        name = f"{step.__module__}:{step.__qualname__}"
        command = module_command("unillmrec.building.worker", name, str(work.resolve()))
        with closing(run_tasks(command, map(str, numbers), self.workers, self._error)) as lines:
            for number, _ in lines:
                on_done(int(number))

    def _error(self, code: int, message: str) -> TreeError:
        return TreeError(
            f"a process that builds part of the tree ended with code {code}.",
            detail=message,
            remedy=self._remedy,
        )


class RayBackend:
    """Runs steps as Ray tasks, on the cluster at RAY_ADDRESS or on this machine.

    All machines of a cluster must see the work folder at the same path.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, step: Step, work: Path, numbers: Sequence[int], on_done: OnDone) -> None:
        """Run *step* for all *numbers*, as many at a time as there are workers."""
        ray = start_ray(self.workers, "building with the engine 'ray'")
        task = ray.remote(num_cpus=RAY_CORES, max_retries=1)(_run_numbered)
        waiting = list(reversed(numbers))
        running: list[object] = []
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    running.append(task.remote(step, work.resolve(), waiting.pop()))
                done, running = ray.wait(running)
                for number in ray.get(done):
                    on_done(number)
        except ray.exceptions.RayError as error:
            message = str(error).strip().splitlines()
            raise TreeError(
                f"a Ray task that builds part of the tree failed in the step {step.__name__!r}.",
                detail=message[-1] if message else "It left no message.",
                remedy="the same command again with the same --work.",
            ) from error


def _run_numbered(step: Step, work: Path, number: int) -> int:
    step(work, number)
    return number


def start_ray(workers: int, feature: str) -> Any:
    """Return Ray, connected to the cluster at RAY_ADDRESS, or to *workers* cores of this machine.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(feature, "ray", "ray") from error
    if not ray.is_initialized():
        _connect(ray.init, workers)
    return ray


def running_ray() -> Any:
    """Return Ray in a process where it is already running, such as one of its workers."""
    import ray

    return ray


def _connect(init: Callable[..., object], workers: int) -> None:
    address = os.environ.get("RAY_ADDRESS")
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if address:
        init(address=address, **quiet)
        return
    # Ray reports usage statistics by default; here this has to be asked for.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    init(address="local", num_cpus=workers, include_dashboard=False, **quiet)
