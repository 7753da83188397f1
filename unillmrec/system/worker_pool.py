"""Hand out tasks to worker processes, which are ordinary commands that read and write lines.

Nothing is pickled and nothing is inherited. A worker ends when its input is closed, so none
outlives a parent that was killed. loky survives that too, but takes four times as long to start.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from itertools import chain
from queue import Empty, SimpleQueue
from tempfile import TemporaryFile
from threading import Thread
from typing import IO, TypeAlias

from unillmrec.errors import UnillmrecError
from unillmrec.system.processes import worker_environment

# How long a process may take to end after it has closed its output.
ENDING_SECONDS = 5.0

WorkerFailed: TypeAlias = Callable[[int, str], UnillmrecError]
"""Returns the error for a worker's exit code and the last line of its error output."""
_Results: TypeAlias = "SimpleQueue[tuple[str, str] | UnillmrecError]"


def run_tasks(
    command: Sequence[str], tasks: Iterable[str], workers: int, worker_failed: WorkerFailed
) -> Generator[tuple[str, str], None, None]:
    """Run *tasks* in processes of *command*, and yield each line of a result with its task.

    A task is one line; a worker, which runs `serve_tasks`, gets its next one when it has finished
    one. Lines are yielded as soon as they arrive. All workers are ended when one fails and when
    the generator is closed.

    Raises:
        UnillmrecError: what *worker_failed* returns, because a worker failed.
    """
    waiting: SimpleQueue[str] = SimpleQueue()
    for task in tasks:
        waiting.put(task)
    results: _Results = SimpleQueue()
    pool: list[_Worker] = []
    unfinished = waiting.qsize()
    try:
        for _ in range(min(workers, unfinished)):
            pool.append(_Worker(command, waiting, results, worker_failed))
        while unfinished:
            result = results.get()
            if isinstance(result, UnillmrecError):
                raise result
            if result[1]:
                yield result
            else:
                unfinished -= 1
    finally:
        for worker in pool:
            worker.kill()


def serve_tasks(run: Callable[[str], Iterable[str]]) -> None:
    """Write the lines that *run* returns for each task on the input, and an empty line after them.

    This is what a worker process does. Anything else it prints goes to its error output.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as results:
        os.dup2(2, 1)
        for task in sys.stdin:
            for line in chain(run(task.rstrip("\n")), [""]):
                results.write(f"{line}\n")
                results.flush()


def _start(command: Sequence[str], errors: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env=worker_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        encoding="utf-8",
    )


class _Worker:
    """One process of a pool, with the thread in this process that feeds it."""

    def __init__(
        self,
        command: Sequence[str],
        waiting: SimpleQueue[str],
        results: _Results,
        worker_failed: WorkerFailed,
    ) -> None:
        self._waiting = waiting
        self._results = results
        self._worker_failed = worker_failed
        # Closed by the thread, which outlives this call.
        self._errors: IO[str] = TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = _start(command, self._errors)
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        """Give the process one task after the other until none is left, or it fails."""
        with self._errors:
            while True:
                try:
                    task = self._waiting.get_nowait()
                except Empty:
                    return
                if not self._finish(task):
                    self._results.put(self._failure())
                    return

    def _finish(self, task: str) -> bool:
        """Pass on the lines of the result of *task*; return whether it is complete."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with suppress(OSError, ValueError):
            stdin.write(f"{task}\n")
            stdin.flush()
            while line := stdout.readline():
                self._results.put((task, line.rstrip("\n")))
                if line == "\n":
                    return True
        return False

    def _failure(self) -> UnillmrecError:
        # A process whose output cannot be read may never end by itself.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING_SECONDS)
        self._process.kill()
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return self._worker_failed(code, lines[-1] if lines else "It left no message.")

    def kill(self) -> None:
        """End the process and close its streams."""
        self._process.kill()
        self._process.wait()
        self._thread.join(ENDING_SECONDS)
        for stream in (self._process.stdin, self._process.stdout):
            # The input may hold text that nobody reads any more.
            with suppress(OSError):
                if stream is not None:
                    stream.close()
