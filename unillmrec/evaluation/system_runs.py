"""Let systems answer all cases of an exam, one system after the other, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from unillmrec.endpoint import FATAL_FAILURES, PERMANENT_FAILURES, CallError
from unillmrec.errors import EndpointError, ReplyError
from unillmrec.evaluation.data.exam import Case, Exam
from unillmrec.evaluation.systems.contract import Answer, System
from unillmrec.tree.clustering import one_thread
from unillmrec.usage import Usage

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class SystemRun:
    """What one system answered, in the order of the cases, and the seconds it took.

    *answering* is of all people; where several processes shared them, of all processes.
    """

    answers: tuple[Answer, ...]
    learning: float
    answering: float


Examine: TypeAlias = Callable[
    [Sequence[System], Exam, int, Progress], Generator[SystemRun, None, None]
]
"""Lets systems answer the cases of an exam with lists of some length: a sheet for each system."""


def one_by_one(
    systems: Sequence[System], exam: Exam, limit: int, progress: Progress
) -> Generator[SystemRun, None, None]:
    """Let each system learn, and answer case after case."""
    for system in systems:
        progress(system.name, 0, len(exam.cases))
        with one_thread():
            sheet = _sheet(system, exam, limit, progress)
        yield sheet


def _sheet(system: System, exam: Exam, limit: int, progress: Progress) -> SystemRun:
    started = time.perf_counter()
    system.learn(exam)
    learnt = time.perf_counter()
    answers = []
    for done, case in enumerate(exam.cases, start=1):
        answers.append(_answered(system, case, limit, begun=done > 1))
        progress(system.name, done, len(exam.cases))
    return SystemRun(tuple(answers), learnt - started, time.perf_counter() - learnt)


def _answered(system: System, case: Case, limit: int, *, begun: bool) -> Answer:
    """Return the system's answer; where a call is of no use, an empty one that says why.

    What everybody else was answered is paid for. Only what no other person would be spared
    ends the evaluation: for some mistakes, if nobody was answered before. The calls that were
    made for this person come with the error, and are billed.
    """
    try:
        return system.answer(case, limit)
    except (EndpointError, ReplyError) as error:
        kind = error.kind if isinstance(error, CallError) else None
        if kind in PERMANENT_FAILURES or (kind in FATAL_FAILURES and not begun):
            raise
        bills = [each.usage for each in error.exchanges]
        return Answer((), sum(bills, Usage()) if bills else None, (), failed=error.problem)
