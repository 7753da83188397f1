"""Locks that processes of this machine hold on files, on every system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path, *, timeout: float = -1) -> Iterator[None]:
    """Hold the lock file *path* inside a `with` block; it is released if the process is killed.

    *timeout* is how many seconds to wait for another process; by default there is no limit.

    Raises:
        TimeoutError: another process still holds it.
        OSError: the lock file cannot be written.
    """
    from filelock import FileLock

    with FileLock(path, timeout=timeout):
        yield
