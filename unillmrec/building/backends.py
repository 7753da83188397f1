"""Who runs shard functions: this process, processes of their own, or Ray.

An engine is given the name of a step, the work folder and numbers; it says nothing about what
happens there. All of them leave the same files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from unillmrec.errors import MissingExtraError, TreeError
from unillmrec.system.processes import command_of, handed_out, serve

EngineName: TypeAlias = Literal["local", "processes", "ray"]
Told = Callable[[int], None]

# A task that asks for a whole core waits forever where whoever waits for it holds the last one.
RAY_CORES = 0.5


class Engine(Protocol):
    """Runs one step for each of many numbers."""

    def run(self, step: str, work: Path, numbers: Sequence[int], told: Told) -> None:
        """Run *step* for all *numbers*, in any order; tell each that is done.

        Raises:
            TreeError: one of them failed.
        """


def engine_named(name: EngineName, workers: int) -> Engine:
    """Return an engine of that kind with so many workers."""
    if name == "ray":
        return Ray(workers)
    return Processes(workers) if name == "processes" else Local()


class Local:
    """Runs one after the other in this process."""

    def run(self, step: str, work: Path, numbers: Sequence[int], told: Told) -> None:
        """Run them."""
        from unillmrec.building.shards.steps import run_step

        for number in numbers:
            told(run_step(step, str(work), number))


class Processes:
    """Hands numbers to processes of their own, each the next one as soon as it is done with one.

    A worker is an ordinary command that reads numbers and answers them.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, step: str, work: Path, numbers: Sequence[int], told: Told) -> None:
        """Run them; a failing one ends them all."""
        command = command_of("unillmrec.building.backends", step, str(work.resolve()))
        with closing(handed_out(command, map(str, numbers), self.workers, _failed)) as lines:
            for number, _ in lines:
                told(int(number))


def _failed(code: int, words: str) -> TreeError:
    return TreeError(
        f"a process that builds part of the tree ended with code {code}.",
        detail=words,
        remedy="the same command again with the same --work; fewer --workers if memory is short.",
    )


class Ray:
    """Runs shard functions as Ray tasks, on the cluster at RAY_ADDRESS or on this machine.

    All machines of a cluster must see the work folder under the same name.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, step: str, work: Path, numbers: Sequence[int], told: Told) -> None:
        """Run them, as many at a time as there are workers."""
        from unillmrec.building.shards.steps import run_step

        ray = started_ray(self.workers, "building with the engine 'ray'")
        task = ray.remote(num_cpus=RAY_CORES, max_retries=1)(run_step)
        left = list(reversed(numbers))
        running: list[object] = []
        try:
            while left or running:
                while left and len(running) < self.workers:
                    running.append(task.remote(step, str(work.resolve()), left.pop()))
                done, running = ray.wait(running)
                for each in ray.get(done):
                    told(each)
        except ray.exceptions.RayError as error:
            said = str(error).strip().splitlines()
            raise TreeError(
                f"a Ray task that builds part of the tree failed in the step {step!r}.",
                detail=said[-1] if said else "It left no message.",
                remedy="the same command again with the same --work.",
            ) from error


def started_ray(workers: int, feature: str) -> Any:
    """Return Ray, connected to the cluster at RAY_ADDRESS, or to *workers* cores of this machine.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(feature, "ray", "ray") from error
    if not ray.is_initialized():
        _start_ray(ray.init, workers)
    return ray


def connected_ray() -> Any:
    """Return Ray where it runs already, as in a worker of it."""
    import ray

    return ray


def _start_ray(init: Callable[..., object], workers: int) -> None:
    address = os.environ.get("RAY_ADDRESS")
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    if address:
        init(address=address, **quiet)
        return
    # Nothing is sent anywhere unless somebody asks for it; Ray counts its users by default.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    init(address="local", num_cpus=workers, include_dashboard=False, **quiet)


def serve_numbers(step: str, work: str) -> None:
    """Run a step for every number that comes in; what a worker process runs."""
    from unillmrec.building.shards.steps import run_step

    serve(lambda number: [str(run_step(step, work, int(number)))])


if __name__ == "__main__":
    serve_numbers(sys.argv[1], sys.argv[2])
