"""Locks that processes of this machine hold on files, on every system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path, *, timeout: float = -1) -> Iterator[None]:
    """Hold the lock file *path* while what is inside runs; a killed process lets go of it.

    Waits at most *timeout* seconds for whoever holds it, by default for ever.

    Raises:
        TimeoutError: another process still holds it.
        OSError: the lock file cannot be written.
    """
    from filelock import FileLock

    with FileLock(path, timeout=timeout):
        yield
