"""Processes of this very package: how to start one, and where it runs."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def command_of(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this package in a process of its own."""
    # -P: the folder the command was given in may hold a numpy.py of its own.
    return [sys.executable, "-P", "-m", module, *arguments]


def environment_of_commands() -> dict[str, str]:
    """Return the environment in which such a command finds this package.

    Also where the package was put on the path by hand.
    """
    home = str(Path(__file__).parents[1])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


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
