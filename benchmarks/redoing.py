"""Redo every number that is shown, one benchmark after the other, and say what could not be."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.results import load, names, told_seconds


@dataclass(frozen=True, slots=True)
class Redone:
    """How one benchmark went, and how long it took."""

    name: str
    code: int
    seconds: float


def redo(data: Path, wanted: Sequence[str]) -> int:
    """Run benchmarks, each in a process of its own, then write the tables; return an exit code.

    One that fails leaves the others theirs, and its old result where it was.
    """
    redone = []
    for place, name in enumerate(wanted, start=1):
        print(f"{place} of {len(wanted)}: {name}, {expected(name)}.", flush=True)
        redone.append(_run(name, data))
    written = report.write(check=False)
    failed = [each for each in redone if each.code]
    for each in redone:
        told = f"failed with exit code {each.code}" if each.code else "done"
        print(f"{each.name}: {told} after {told_seconds(each.seconds)}.")
    print(f"{len(redone) - len(failed)} of {len(redone)} redone.")
    return 1 if failed or written else 0


def shown(benchmarks: Sequence[str]) -> list[str]:
    """Return those of *benchmarks* that have a result, which is what the READMEs show."""
    return [name for name in benchmarks if name in names()]


def expected(name: str) -> str:
    """Say how long a benchmark took where its result was measured."""
    seconds = load(name).get("seconds") if name in names() else None
    return (
        "which took an unknown time" if seconds is None else f"which took {told_seconds(seconds)}"
    )


def _run(name: str, data: Path) -> Redone:
    started = time.monotonic()
    command = [sys.executable, "-m", "benchmarks", "run", name, "--data", str(data.resolve())]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], check=False)
    return Redone(name, done.returncode, time.monotonic() - started)
