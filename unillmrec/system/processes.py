"""Processes of this very package: how to start one, and where it runs."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryFile
from threading import Thread
from typing import IO, TypeAlias

from unillmrec.errors import UnillmrecError

# How long a process may take to end once it has closed its output.
ENDING_SECONDS = 5.0
SECRETS = frozenset({"OPENAI_API_KEY"})
Failed: TypeAlias = Callable[[int, str], UnillmrecError]
"""Makes an error of the code that a process ended with, and of its last words."""


def command_of(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this package in a process of its own."""
    # -P: the folder the command was given in may hold a numpy.py of its own.
    return [sys.executable, "-P", "-m", module, *arguments]


def environment_of_commands() -> dict[str, str]:
    """Return the environment in which such a command finds this package.

    Also where the package was put on the path by hand. None of these processes asks a model, so
    none is given a key.
    """
    home = str(Path(__file__).parents[1])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    given = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return given | {"PYTHONPATH": os.pathsep.join(paths)}


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def handed_out(
    command: Sequence[str], tasks: Iterable[str], workers: int, failed: Failed
) -> Generator[tuple[str, str], None, None]:
    """Hand tasks to processes that run *command*, each the next one when it is done with one.

    A task is a line; a worker answers it with lines of its own and an empty one (`serve`), and
    ends when nobody is left to give it any. Each line comes with its task as soon as it is there.
    A failing process ends them all, and so does whoever closes this: none is left running.
    """
    waiting: SimpleQueue[str] = SimpleQueue()
    for task in tasks:
        waiting.put(task)
    told: SimpleQueue[tuple[str, str] | UnillmrecError] = SimpleQueue()
    started: list[subprocess.Popen[str]] = []
    left = waiting.qsize()
    try:
        for _ in range(min(workers, left)):
            # Closed by the thread that serves the process, which outlives this line.
            errors = TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
            started.append(_start(command, errors))
            given = (started[-1], errors, waiting, told, failed)
            Thread(target=_give_tasks, args=given, daemon=True).start()
        while left:
            answer = told.get()
            if isinstance(answer, UnillmrecError):
                raise answer
            if answer[1]:
                yield answer
            else:
                left -= 1
    finally:
        for process in started:
            _end(process)


def serve(answer: Callable[[str], Iterable[str]]) -> None:
    """Answer each task that comes in with some lines and an empty one; what a worker does.

    Whatever else is printed, by whichever library, goes where errors go: it is no answer.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        for task in sys.stdin:
            for line in chain(answer(task.rstrip("\n")), [""]):
                answers.write(f"{line}\n")
                answers.flush()


def _start(command: Sequence[str], errors: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env=environment_of_commands(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        encoding="utf-8",
    )


def _give_tasks(
    process: subprocess.Popen[str],
    errors: IO[str],
    waiting: SimpleQueue[str],
    told: SimpleQueue[tuple[str, str] | UnillmrecError],
    failed: Failed,
) -> None:
    """Give a process one task after the other, and pass on what it says to each."""
    with errors:
        while True:
            try:
                task = waiting.get_nowait()
            except Empty:
                return
            line = None
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(f"{task}\n")
                process.stdin.flush()
                while line != "" and (said := process.stdout.readline()):
                    line = said.rstrip("\n")
                    told.put((task, line))
            except (OSError, ValueError):
                line = None
            if line != "":
                # It has ended, or says what cannot be read: waited for, it might go on for ever.
                with suppress(subprocess.TimeoutExpired):
                    process.wait(ENDING_SECONDS)
                process.kill()
                code = process.wait()
                errors.seek(0)
                words = errors.read().strip().splitlines()
                told.put(failed(code, words[-1] if words else "It left no message."))
                return


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                continue  # What waited to be written has nobody to read it.


@contextmanager
def on_one_core() -> Iterator[None]:
    """Keep this thread, and those that it starts inside, to one core, if the system can.

    One thread at a time runs Python. Handing that from core to core costs threads that mostly
    wait for a network a third more of the processor (benchmarks/results/batch.json).
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    # Two such processes should seldom choose the same one. Where it is not allowed, or the cores
    # have changed meanwhile, all goes on wherever the system wants.
    with suppress(OSError):
        os.sched_setaffinity(0, {secrets.choice(sorted(before))})
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, before)
