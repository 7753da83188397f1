"""How a program ends that is told to, or that nobody can hear."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# What ends a program from outside; a terminal that is closed sends SIGHUP.
ENDING = ("SIGTERM", "SIGHUP")


class Ended(BaseException):
    """Somebody outside wants the program to end; raised, so that every context is left."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def orderly_end() -> Iterator[None]:
    """Turn a signal to end into `Ended`; a second one ends at once."""
    process = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != process:
            # A worker has nothing to tidy up, and its parent says what there is to say.
            os.kill(os.getpid(), number)
        raise Ended(number)

    numbers = [getattr(signal, name) for name in ENDING if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    # One that is ignored stays so: that is how `nohup` works.
    changed = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in changed:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def fill_closed_streams() -> None:
    """Give input and notes a place where they were closed, lest a file of ours get their number."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - open until the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open until the end


def output_failure(more: str = "") -> str | None:
    """Say why standard output cannot be written, if it cannot; find out by writing *more*."""
    if sys.stdout is None:
        return "it is closed"
    try:
        sys.stdout.write(more)
        sys.stdout.flush()
    except OSError as error:
        return error.strerror or str(error)
    return None


def silence_output() -> None:
    """Let nothing more be written, not even by the interpreter on its way out."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
