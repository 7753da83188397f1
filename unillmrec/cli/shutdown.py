"""Exit cleanly on signals and on closed output streams."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# A terminal that is closed sends SIGHUP.
SIGNALS = ("SIGTERM", "SIGHUP")


class TerminatedBySignal(BaseException):
    """A signal asked the program to exit. An exception, so that every context manager exits."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def raise_on_signals() -> Iterator[None]:
    """Raise `TerminatedBySignal` on SIGTERM and SIGHUP; a second signal exits at once."""
    process = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != process:
            # A worker process has nothing to clean up, and its parent prints the message.
            os.kill(os.getpid(), number)
        raise TerminatedBySignal(number)

    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    # Ignored signals stay ignored: that is how `nohup` works.
    changed = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in changed:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def reopen_closed_streams() -> None:
    """Open closed input and error streams on /dev/null, so that no file gets their descriptor."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - open until the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open until the end


def output_failure(text: str = "") -> str | None:
    """Write *text* to standard output; return why that failed, or None."""
    if sys.stdout is None:
        return "it is closed"
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        return error.strerror or str(error)
    return None


def silence_output() -> None:
    """Discard all further output, also what the interpreter flushes at exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
