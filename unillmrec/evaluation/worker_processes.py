"""Let systems answer in processes of their own, where no model is asked.

What a process is told stands in a folder: which systems, over which tree, what may be learnt
from, and the cases. The truth is not among it. A system that knows nothing but its tree is asked
about some people at a time, by whichever process is free; what learns from the catalog does so
in one of them.
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
from unillmrec.evaluation.data.exam import Case, Exam, ItemIndex, Known
from unillmrec.evaluation.system_runs import Progress, SystemRun, one_by_one
from unillmrec.evaluation.systems.contract import Answer, System
from unillmrec.evaluation.systems.registry import TREE_ALONE, Entry
from unillmrec.store import ItemTree
from unillmrec.system.processes import command_of, handed_out, serve
from unillmrec.tree.clustering import one_thread
from unillmrec.usage import Usage

# With fewer pairs of a person and an item, starting processes and learning anew what they share
# takes as long as they save: fifty people and four thousand items are the least that pay.
WORTH_A_PROCESS = 200_000
# So many people are told of at a time, and at most so many make a task: an uneven share evens out.
AT_A_TIME = 25


class InProcesses:
    """Lets systems that *entries* can make anew answer in *workers* processes.

    The sheets are the same with any number of them. A small exam is not worth a process.
    """

    def __init__(self, entries: Sequence[Entry], workers: int) -> None:
        self._entries = entries
        self._workers = workers

    def __call__(
        self, systems: Sequence[System], exam: Exam, limit: int, progress: Progress
    ) -> Generator[SystemRun, None, None]:
        """Give the sheets in the order of the systems, each as soon as it is there."""
        if self._workers < 2 or len(exam.cases) * len(exam.shelf) < WORTH_A_PROCESS:
            yield from one_by_one(systems, exam, limit, progress)
            return
        with tempfile.TemporaryDirectory(prefix="unillmrec-") as folder:
            try:
                _write(Path(folder), self._entries, exam, limit)
            except OSError as error:
                raise EvaluationError(
                    f"{folder} cannot be written, by which processes are told what to do.",
                    detail=str(error.strerror or error),
                    remedy="--workers 1, or a TMPDIR with more room.",
                ) from error
            yield from self._sheets(Path(folder), systems, len(exam.cases), progress)

    def _sheets(
        self, folder: Path, systems: Sequence[System], people: int, progress: Progress
    ) -> Generator[SystemRun, None, None]:
        filling = [_Filling(people) for _ in systems]
        for system in systems:
            progress(system.name, 0, people)
        given = 0
        tasks = list(_tasks(self._entries, people))
        command = command_of("unillmrec.evaluation.worker_processes", str(folder))
        with closing(handed_out(command, tasks, self._workers, _ended)) as lines:
            for task, line in lines:
                number = json.loads(task)[0]
                filling[number].take(json.loads(line))
                progress(systems[number].name, filling[number].done, people)
                while given < len(systems) and filling[given].done == people:
                    yield filling[given].sheet()
                    given += 1


class _Filling:
    """A sheet that is being filled, in whatever order the answers come."""

    def __init__(self, people: int) -> None:
        self._answers: list[Answer | None] = [None] * people
        self._learning = self._answering = 0.0
        self.done = 0

    def take(self, told: dict[str, Any]) -> None:
        """Take some answers in.

        Raises:
            UnillmrecError: the process has told of one.
        """
        if "error" in told:
            raise _raised(*told["error"])
        first = told["first"]
        for place, answer in enumerate(told["answers"], start=first):
            self._answers[place] = _read_answer(answer)
        self.done += len(told["answers"])
        self._answering += told["answering"]
        # Processes that share a system have each made it ready; it is made ready once.
        self._learning = max(self._learning, told["learning"])

    def sheet(self) -> SystemRun:
        """Return it filled."""
        answers = tuple(answer for answer in self._answers if answer is not None)
        return SystemRun(answers, self._learning, self._answering)


def _tasks(entries: Sequence[Entry], people: int) -> Iterator[str]:
    """Give tasks: a system's number and a range of people; what can be shared out comes last."""
    shared = [each.kind in TREE_ALONE for each in entries]
    for number in range(len(entries)):
        if not shared[number]:
            yield json.dumps([number, 0, people])
    for number in range(len(entries)):
        if shared[number]:
            for first in range(0, people, AT_A_TIME):
                yield json.dumps([number, first, min(first + AT_A_TIME, people)])


def _ended(code: int, words: str) -> EvaluationError:
    return EvaluationError(
        f"a process in which systems answer ended with code {code}.",
        detail=words,
        remedy="--workers 1, and check the free memory.",
    )


def _raised(kind: str, problem: str, detail: str, remedy: str) -> UnillmrecError:
    """Return the error that a process has told of."""
    error: UnillmrecError = UnillmrecError.__new__(getattr(errors, kind, UnillmrecError))
    UnillmrecError.__init__(error, problem, detail=detail, remedy=remedy)
    return error


def _write(folder: Path, entries: Sequence[Entry], exam: Exam, limit: int) -> None:
    """Write down what a process needs."""
    np.save(folder / "person.npy", exam.known.person)
    np.save(folder / "item.npy", exam.known.item)
    work = {
        "entries": [each.told() for each in entries],
        "people": exam.known.people,
        "shelf": _digest(exam.shelf),
        "states": _states({each.tree.resolve() for each in entries}),
        "cases": [[each.number, each.history, each.disliked] for each in exam.cases],
        "limit": limit,
    }
    (folder / "work.json").write_text(json.dumps(work), encoding="utf-8")


def _digest(shelf: ItemIndex) -> str:
    """Return what tells a shelf from one with other items, or in another order."""
    return hashlib.blake2b("\n".join(map(repr, shelf.places)).encode(), digest_size=16).hexdigest()


def _states(paths: Iterable[Path]) -> dict[str, list[object]]:
    states = {}
    for path in paths:
        with ItemTree.open(path) as tree:
            states[str(path)] = _state(tree)
    return states


def _state(tree: ItemTree) -> list[object]:
    """Return what tells a tree from what somebody has made of it, or put in its place."""
    return [tree.path.stat().st_ino, json.dumps(tree.facts, sort_keys=True)]


class _Worker:
    """What a process holds: the work, and what it has made of it so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._work = json.loads((folder / "work.json").read_text(encoding="utf-8"))
        self._entries = [Entry.read(told) for told in self._work["entries"]]
        self._cases = tuple(
            Case(number, tuple(history), tuple(disliked))
            for number, history, disliked in self._work["cases"]
        )
        self._learning: dict[int, float] = {}
        self._made = cache(self._make)
        self._tree = cache(self._opened)

    def answer(self, task: str) -> Iterator[str]:
        """Answer a task, some people at a time; an error is told and not raised."""
        number, first, end = json.loads(task)
        try:
            system = self._made(number)
            for begin in range(first, end, AT_A_TIME):
                cases = self._cases[begin : min(begin + AT_A_TIME, end)]
                started = time.perf_counter()
                answers = [asdict(system.answer(case, self._work["limit"])) for case in cases]
                told = {
                    "first": begin,
                    "answers": answers,
                    "learning": self._learning[number],
                    "answering": time.perf_counter() - started,
                }
                yield json.dumps(told)
        except UnillmrecError as error:
            parts = [type(error).__name__, error.problem, error.detail, error.remedy]
            yield json.dumps({"error": parts})

    def _opened(self, path: Path) -> ItemTree:
        """Open a tree, if it is the one that the other processes see."""
        tree = ItemTree.open(path)
        if _state(tree) != self._work["states"][str(path)]:
            raise EvaluationError(
                f"{path} is not the tree any more that is evaluated.",
                detail="Somebody has changed it meanwhile, or put another in its place.",
                remedy="the same command again.",
            )
        return tree

    def _make(self, number: int) -> System:
        entry = self._entries[number]
        system = entry.made(self._tree(entry.tree))
        started = time.perf_counter()
        system.learn(self._bare if entry.kind in TREE_ALONE else self._exam)
        self._learning[number] = time.perf_counter() - started
        return system

    @cached_property
    def _bare(self) -> Exam:
        """The exam for those who know nothing but their tree: a catalog may be large."""
        nothing = np.zeros(0, np.int64)
        return Exam(ItemIndex(()), Known(nothing, nothing, 0, 0), self._cases)

    @cached_property
    def _exam(self) -> Exam:
        shelf = ItemIndex.of_tree(self._tree(self._entries[0].tree))
        if _digest(shelf) != self._work["shelf"]:
            raise EvaluationError(
                f"{self._entries[0].tree} does not hold the items that are evaluated.",
                remedy="the shelf of this very tree.",
            )
        person, item = (np.load(self._folder / f"{name}.npy") for name in ("person", "item"))
        known = Known(person, item, self._work["people"], len(shelf))
        return Exam(shelf, known, self._cases)


def _read_answer(told: dict[str, Any]) -> Answer:
    usage, recalled = told["usage"], told["recalled"]
    return Answer(
        **told
        | {
            "items": tuple(told["items"]),
            "usage": None if usage is None else Usage(**usage),
            "recalled": None if recalled is None else tuple(recalled),
        }
    )


if __name__ == "__main__":
    with one_thread():
        serve(_Worker(Path(sys.argv[1])).answer)
