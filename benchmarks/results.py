"""Read and write result files: what was measured, with what, and by which command."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import datasets

FOLDER = Path(__file__).parent / "results"
# What a run writes: that it did so does not make the code another one.
WRITTEN = ("benchmarks/results", "benchmarks/plots", "benchmarks/README.md", "README.md")
_STARTED = time.monotonic()
PACKAGES = (
    *("numpy", "scipy", "scikit-learn", "openai", "tiktoken"),
    *("bm25s", "implicit", "ir-measures", "matplotlib"),
)


def save(
    name: str,
    question: str,
    rows: list[dict[str, Any]],
    *,
    seed: int | Sequence[int] | str,
    **notes: Any,
) -> Path:
    """Write a result file and rename it into place.

    It contains everything that determines its figures: code, libraries, prompts, seeds and data.
    """
    content = {
        "name": name,
        "question": question,
        "command": "python -m benchmarks " + " ".join(_shown(each) for each in sys.argv[1:]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "seconds": round(time.monotonic() - _STARTED),
        "machine": {
            "python": platform.python_version(),
            "system": platform.system(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
            **{package: version(package) for package in PACKAGES},
        },
        "seed": seed,
        "prompts": prompt_digests(),
        "data": {name: _digest(path) for name, path in sorted(datasets.FOUND.items())},
        **notes,
        "rows": rows,
    }
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)
    return path


def load(name: str) -> dict[str, Any]:
    """Read a committed result."""
    result: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return result


def prompt_digests() -> dict[str, str]:
    """Return the digests of the bundled prompts, on which token counts depend."""
    from unillmrec.judge import CONTRACTS
    from unillmrec.prompts import PromptSet

    return {each.name: each.digest for each in PromptSet.load(CONTRACTS, None)}


def format_duration(seconds: float) -> str:
    """Return a time as people say it."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def names() -> list[str]:
    """Return the names of the committed results."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _shown(argument: str) -> str:
    # Where somebody keeps the data is nobody's business.
    return "DATA" if os.sep in argument else argument


def _commit() -> str:
    """Return the measured commit, marked if the code has changed since."""
    home = Path(__file__).parents[1]
    others = [f":!{path}" for path in WRITTEN]
    try:
        commit = _git(home, "describe", "--always", "--abbrev=10", "--exclude=*")
        changed = _git(home, "status", "--porcelain", "--", ".", *others)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def _git(home: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=home, check=True)
    return done.stdout.strip()
