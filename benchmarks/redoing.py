"""Repeat every result that is shown, one benchmark after the other."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.results import format_duration, load, names


@dataclass(frozen=True, slots=True)
class Redone:
    """Outcome and duration of one benchmark."""

    name: str
    code: int
    seconds: float


def redo(data: Path, wanted: Sequence[str]) -> int:
    """Run benchmarks in processes of their own, then write the tables; return an exit code.

    If one fails, the others still run, and its old result stays.
    """
    redone = []
    for place, name in enumerate(wanted, start=1):
        print(f"{place} of {len(wanted)}: {name}, {expected(name)}.", flush=True)
        redone.append(_run(name, data))
    written = report.write(check=False)
    failed = [each for each in redone if each.code]
    for each in redone:
        outcome = f"failed with exit code {each.code}" if each.code else "done"
        print(f"{each.name}: {outcome} after {format_duration(each.seconds)}.")
    print(f"{len(redone) - len(failed)} of {len(redone)} redone.")
    return 1 if failed or written else 0


def shown(benchmarks: Sequence[str]) -> list[str]:
    """Return those of *benchmarks* that have a committed result."""
    return [name for name in benchmarks if name in names()]


def expected(name: str) -> str:
    """Format how long a benchmark took when its result was measured."""
    seconds = load(name).get("seconds") if name in names() else None
    return (
        "which took an unknown time"
        if seconds is None
        else f"which took {format_duration(seconds)}"
    )


def _run(name: str, data: Path) -> Redone:
    started = time.monotonic()
    command = [sys.executable, "-m", "benchmarks", "run", name, "--data", str(data.resolve())]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], check=False)
    return Redone(name, done.returncode, time.monotonic() - started)
