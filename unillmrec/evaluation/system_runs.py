"""Run systems on all cases of an evaluation, one system after the other, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from unillmrec.endpoint import FATAL_FAILURES, PERMANENT_FAILURES, CallError
from unillmrec.errors import EndpointError, ReplyError
from unillmrec.evaluation.data.cases import EvaluationCase, EvaluationData
from unillmrec.evaluation.systems.contract import RankedList, System
from unillmrec.tree.clustering import one_thread
from unillmrec.usage import Usage

Progress: TypeAlias = Callable[[str, int, int], None]
"""Is called with the name of a system, the number of people done, and their total."""


@dataclass(frozen=True, slots=True)
class SystemRun:
    """The lists of one system, in the order of the cases, and the seconds it took.

    *answering* is the sum over all people, and over all processes that shared them.
    """

    answers: tuple[RankedList, ...]
    learning: float
    answering: float


RunSystems: TypeAlias = Callable[
    [Sequence[System], EvaluationData, int, Progress], Generator[SystemRun, None, None]
]
"""Runs systems on all cases with a maximum list length, and yields a run for each system."""


def run_sequentially(
    systems: Sequence[System], data: EvaluationData, limit: int, progress: Progress
) -> Generator[SystemRun, None, None]:
    """Let each system learn, and answer case after case."""
    for system in systems:
        progress(system.name, 0, len(data.cases))
        with one_thread():
            run = _run(system, data, limit, progress)
        yield run


def _run(system: System, data: EvaluationData, limit: int, progress: Progress) -> SystemRun:
    started = time.perf_counter()
    system.learn(data)
    learnt = time.perf_counter()
    answers: list[RankedList] = []
    for case in data.cases:
        answers.append(_answer(system, case, limit, is_first=not answers))
        progress(system.name, len(answers), len(data.cases))
    return SystemRun(tuple(answers), learnt - started, time.perf_counter() - learnt)


def _answer(system: System, case: EvaluationCase, limit: int, *, is_first: bool) -> RankedList:
    """Return the system's list, or an empty one with the reason if a call failed.

    A failure ends the evaluation only if it would repeat for everybody: the other lists are paid
    for. Some failures are fatal only before the first list. Failed calls are billed.
    """
    try:
        return system.answer(case, limit)
    except (EndpointError, ReplyError) as error:
        kind = error.kind if isinstance(error, CallError) else None
        if kind in PERMANENT_FAILURES or (kind in FATAL_FAILURES and is_first):
            raise
        usages = [each.usage for each in error.exchanges]
        usage = sum(usages, Usage()) if usages else None
        return RankedList((), usage, (), failed=error.problem)
