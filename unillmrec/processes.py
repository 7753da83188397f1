"""Start another process of this very package."""

from __future__ import annotations

import os
import sys
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
