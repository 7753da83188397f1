"""How long do building and the first recommendation take, in a cold process?

The ratios are to `python -c pass` in the same run: times of a shared machine differ by the hour.
Modules are compiled beforehand, as after an installation.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.datasets import find
from benchmarks.results import save

QUESTION = (__doc__ or "").split("\n")[0]
NOTHING = ["-c", "pass"]
SETS = ("ml-1m", "amazon-beauty", "goodbooks-10k", "netflix-titles", "mind-sample", "catalog-mixed")
REPEATS = 7


def run(data: Path) -> None:
    """Time the commands as whole processes."""
    rows: list[dict[str, Any]] = [
        {"what": "python -c pass", **_timed(NOTHING, 3 * REPEATS)},
        {"what": "unillmrec --help", **_timed(["--help"], REPEATS)},
        {"what": "unillmrec recommend --help", **_timed(["recommend", "--help"], REPEATS)},
    ]
    print(*rows, sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in SETS:
            tree = str(Path(folder) / f"{name}.tree")
            catalog = str(find(data, name, "items.jsonl"))
            built = _timed(["build", catalog, "-o", tree, "--json"], 1)
            like = ["recommend", tree, "--like", "a long journey by sea", "--json"]
            rows.append({"what": "build", "set": name, **built})
            rows.append({"what": "recommend", "set": name, **_timed(like, REPEATS)})
            print(rows[-2], rows[-1], sep="\n", flush=True)
    _add_ratios(rows)
    save(
        "speed",
        QUESTION,
        rows,
        seed="nothing is drawn by lot",
        judge="embedded similarity judge, no model",
    )


def _add_ratios(rows: list[dict[str, Any]]) -> None:
    """Add to each row its best time as a multiple of that of `python -c pass`, the first row."""
    nothing = rows[0]["cpu seconds best"], rows[0]["seconds best"]
    for row in rows:
        row["cpu ratio"] = round(row["cpu seconds best"] / nothing[0], 1)
        row["ratio"] = round(row["seconds best"] / nothing[1], 1)


def _timed(arguments: list[str], repeats: int) -> dict[str, Any]:
    """Return best and median time of a command, and the peak memory with its children."""
    seconds, cpu, megabytes = [], [], 0.0
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": os.environ.get("TMPDIR", "/tmp") + "/pyc"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    for _ in range(repeats):
        # A process of its own for each run, so that the peak of its children is its own.
        probe = [sys.executable, "-m", "benchmarks.speed", *arguments]
        started = time.perf_counter()
        done = subprocess.run(probe, capture_output=True, text=True, check=True, env=environment)
        report = json.loads(done.stderr.splitlines()[-1])
        seconds.append(report["seconds"])
        cpu.append(report["cpu"])
        megabytes = max(megabytes, report["megabytes"])
        assert time.perf_counter() - started >= report["seconds"]
    seconds.sort()
    return {
        "cpu seconds best": round(min(cpu), 4),
        "seconds best": round(seconds[0], 4),
        "seconds median": round(seconds[len(seconds) // 2], 3),
        "megabytes": round(megabytes),
        "runs": repeats,
    }


def _probe(arguments: list[str]) -> None:
    command = arguments if arguments == NOTHING else ["-m", "unillmrec", *arguments]
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *command],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    seconds, used = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    report = {
        "seconds": seconds,
        "cpu": used.ru_utime + used.ru_stime,
        "megabytes": used.ru_maxrss / 1024,
    }
    print(json.dumps(report), file=sys.stderr)


if __name__ == "__main__":
    _probe(sys.argv[1:])
