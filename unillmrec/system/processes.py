"""Processes that run a module of this package, and the cores they run on."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SECRETS = frozenset({"OPENAI_API_KEY"})


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this package in a process of its own."""
    # -P: the current folder may contain another numpy.py.
    return [sys.executable, "-P", "-m", module, *arguments]


def worker_environment() -> dict[str, str]:
    """Return the environment for such a command: this package on the path, and no API key.

    The package is found even where it was put on the path by hand. None of these processes calls
    a model, so none needs a key.
    """
    home = str(Path(__file__).parents[2])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    inherited = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return inherited | {"PYTHONPATH": os.pathsep.join(paths)}


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def on_one_core() -> Iterator[None]:
    """Keep this thread, and the threads it starts inside, on one core where the system can.

    Only one thread at a time runs Python. Passing that from core to core costs threads that mostly
    wait for a network a third more processor time (benchmarks/results/batch.json).
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    # A random core, so that two such processes seldom share one. Where pinning is not allowed, or
    # the cores have changed meanwhile, the system chooses as usual.
    with suppress(OSError):
        os.sched_setaffinity(0, {secrets.choice(sorted(before))})
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, before)
