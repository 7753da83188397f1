"""Run systems in several processes, for evaluations without a model.

The parent writes a folder for its workers: the specs of the systems, the training interactions
and the cases, but not the ground truth. Systems that need only the tree are shared: any free
process answers for the next few people. Other systems run in a single process each.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from unillmrec import errors
from unillmrec.errors import EvaluationError, UnillmrecError
from unillmrec.evaluation.data.cases import (
    EvaluationCase,
    EvaluationData,
    ItemIndex,
    TrainingInteractions,
)
from unillmrec.evaluation.system_runs import Progress, SystemRun, run_sequentially
from unillmrec.evaluation.systems.contract import RankedList, System
from unillmrec.evaluation.systems.registry import REGISTRY, SystemSpec
from unillmrec.store import ItemTree
from unillmrec.system.processes import module_command
from unillmrec.system.worker_pool import run_tasks, serve_tasks
from unillmrec.tree.clustering import one_thread
from unillmrec.usage import Usage

# With fewer pairs of a person and an item, starting the processes and learning in each of them
# takes as long as they save. Fifty people and four thousand items are the break-even.
MIN_SIZE_FOR_PROCESSES = 200_000
# People per task and per reply; small tasks balance the load.
CHUNK = 25


class RunInProcesses:
    """Runs the systems of *specs* in *workers* processes.

    The lists do not depend on the number of processes. Small evaluations run in this process.
    """

    def __init__(self, specs: Sequence[SystemSpec], workers: int) -> None:
        self._specs = specs
        self._workers = workers

    def __call__(
        self, systems: Sequence[System], data: EvaluationData, limit: int, progress: Progress
    ) -> Generator[SystemRun, None, None]:
        """Yield the runs in the order of the systems, each as soon as it is complete."""
        if self._workers < 2 or len(data.cases) * len(data.index) < MIN_SIZE_FOR_PROCESSES:
            yield from run_sequentially(systems, data, limit, progress)
            return
        with tempfile.TemporaryDirectory(prefix="unillmrec-") as folder:
            try:
                _write_job(Path(folder), self._specs, data, limit)
            except OSError as error:
                raise EvaluationError(
                    f"{folder} cannot be written: worker processes need it.",
                    detail=str(error.strerror or error),
                    remedy="--workers 1, or a TMPDIR with more room.",
                ) from error
            yield from self._run(Path(folder), systems, len(data.cases), progress)

    def _run(
        self, folder: Path, systems: Sequence[System], people: int, progress: Progress
    ) -> Generator[SystemRun, None, None]:
        partial_runs = [_PartialRun(people) for _ in systems]
        for system in systems:
            progress(system.name, 0, people)
        finished = 0
        tasks = list(_tasks(self._specs, people))
        command = module_command("unillmrec.evaluation.worker_processes", str(folder))
        with closing(run_tasks(command, tasks, self._workers, _worker_failed)) as lines:
            for task, line in lines:
                number = json.loads(task)[0]
                partial_runs[number].add(json.loads(line))
                progress(systems[number].name, partial_runs[number].done, people)
                while finished < len(systems) and partial_runs[finished].done == people:
                    yield partial_runs[finished].finish()
                    finished += 1


class _PartialRun:
    """Collects the lists of one system, which arrive in any order."""

    def __init__(self, people: int) -> None:
        self._answers: list[RankedList | None] = [None] * people
        self._learning = self._answering = 0.0
        self.done = 0

    def add(self, reply: dict[str, Any]) -> None:
        """Add the lists in a worker's reply.

        Raises:
            UnillmrecError: the reply is an error.
        """
        if "error" in reply:
            raise _error_from_reply(*reply["error"])
        for number, answer in enumerate(reply["answers"], start=reply["first"]):
            self._answers[number] = _ranked_list_from_plain(answer)
        self.done += len(reply["answers"])
        self._answering += reply["answering"]
        # All processes that share a system learn; the time counts once.
        self._learning = max(self._learning, reply["learning"])

    def finish(self) -> SystemRun:
        """Return the complete run."""
        answers = tuple(answer for answer in self._answers if answer is not None)
        return SystemRun(answers, self._learning, self._answering)


def _tasks(specs: Sequence[SystemSpec], people: int) -> Iterator[str]:
    """Yield tasks: a system's number and a range of people; the small, shared tasks come last."""
    shared = [REGISTRY[each.kind].tree_only for each in specs]
    for number in range(len(specs)):
        if not shared[number]:
            yield json.dumps([number, 0, people])
    for number in range(len(specs)):
        if shared[number]:
            for first in range(0, people, CHUNK):
                yield json.dumps([number, first, min(first + CHUNK, people)])


def _worker_failed(code: int, message: str) -> EvaluationError:
    return EvaluationError(
        f"a worker process of the evaluation ended with code {code}.",
        detail=message,
        remedy="--workers 1, and check the free memory.",
    )


def _error_from_reply(kind: str, problem: str, detail: str, remedy: str) -> UnillmrecError:
    error: UnillmrecError = UnillmrecError.__new__(getattr(errors, kind, UnillmrecError))
    UnillmrecError.__init__(error, problem, detail=detail, remedy=remedy)
    return error


def _write_job(folder: Path, specs: Sequence[SystemSpec], data: EvaluationData, limit: int) -> None:
    """Write the files that a worker process reads."""
    np.save(folder / "person.npy", data.training.person)
    np.save(folder / "item.npy", data.training.item)
    job = {
        "specs": [each.to_plain() for each in specs],
        "people": data.training.people,
        "index": _index_digest(data.index),
        "tree_states": _tree_states({each.tree.resolve() for each in specs}),
        "cases": [[each.number, each.history, each.disliked] for each in data.cases],
        "limit": limit,
    }
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")


def _index_digest(index: ItemIndex) -> str:
    """Return a hash of the item ids in their order."""
    ids = "\n".join(map(repr, index.positions))
    return hashlib.blake2b(ids.encode(), digest_size=16).hexdigest()


def _tree_states(paths: Iterable[Path]) -> dict[str, list[object]]:
    states = {}
    for path in paths:
        with ItemTree.open(path) as tree:
            states[str(path)] = _tree_state(tree)
    return states


def _tree_state(tree: ItemTree) -> list[object]:
    """Return a value that changes when the tree is changed or its file is replaced."""
    return [tree.path.stat().st_ino, json.dumps(tree.facts, sort_keys=True)]


class _Worker:
    """Answers tasks in a worker process; opens trees and builds systems once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        self._specs = [SystemSpec.from_plain(each) for each in self._job["specs"]]
        self._cases = tuple(
            EvaluationCase(number, tuple(history), tuple(disliked))
            for number, history, disliked in self._job["cases"]
        )
        self._learning: dict[int, float] = {}
        self._system = cache(self._build_system)
        self._tree = cache(self._open_tree)

    def answer(self, task: str) -> Iterator[str]:
        """Yield the replies to a task, a few people at a time; an error is a reply as well."""
        number, first, end = json.loads(task)
        try:
            system = self._system(number)
            for begin in range(first, end, CHUNK):
                cases = self._cases[begin : min(begin + CHUNK, end)]
                started = time.perf_counter()
                answers = [asdict(system.answer(case, self._job["limit"])) for case in cases]
                reply = {
                    "first": begin,
                    "answers": answers,
                    "learning": self._learning[number],
                    "answering": time.perf_counter() - started,
                }
                yield json.dumps(reply)
        except UnillmrecError as error:
            parts = [type(error).__name__, error.problem, error.detail, error.remedy]
            yield json.dumps({"error": parts})

    def _open_tree(self, path: Path) -> ItemTree:
        """Open a tree, and check that it is the one that the parent process saw."""
        tree = ItemTree.open(path)
        if _tree_state(tree) != self._job["tree_states"][str(path)]:
            raise EvaluationError(
                f"{path} is no longer the tree that is being evaluated.",
                detail="It was changed or replaced in the meantime.",
                remedy="the same command again.",
            )
        return tree

    def _build_system(self, number: int) -> System:
        spec = self._specs[number]
        system = spec.build(self._tree(spec.tree))
        started = time.perf_counter()
        system.learn(self._cases_only if REGISTRY[spec.kind].tree_only else self._data)
        self._learning[number] = time.perf_counter() - started
        return system

    @cached_property
    def _cases_only(self) -> EvaluationData:
        """The data for systems that need only their tree: reading a large catalog takes time."""
        none = np.zeros(0, np.int64)
        return EvaluationData(ItemIndex(()), TrainingInteractions(none, none, 0, 0), self._cases)

    @cached_property
    def _data(self) -> EvaluationData:
        index = ItemIndex.of_tree(self._tree(self._specs[0].tree))
        if _index_digest(index) != self._job["index"]:
            raise EvaluationError(
                f"{self._specs[0].tree} does not contain the items that are being evaluated.",
                remedy="the item index of this very tree.",
            )
        person, item = (np.load(self._folder / f"{name}.npy") for name in ("person", "item"))
        training = TrainingInteractions(person, item, self._job["people"], len(index))
        return EvaluationData(index, training, self._cases)


def _ranked_list_from_plain(plain: dict[str, Any]) -> RankedList:
    usage, recalled = plain["usage"], plain["recalled"]
    return RankedList(
        **plain
        | {
            "items": tuple(plain["items"]),
            "usage": None if usage is None else Usage(**usage),
            "recalled": None if recalled is None else tuple(recalled),
        }
    )


if __name__ == "__main__":
    with one_thread():
        serve_tasks(_Worker(Path(sys.argv[1])).answer)
