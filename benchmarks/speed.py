"""How long do building and the first recommendation take, in a cold process?"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.datasets import find
from benchmarks.results import save

QUESTION = __doc__
SETS = ("ml-1m", "amazon-beauty", "goodbooks-10k", "netflix-titles", "mind-sample", "catalog-mixed")
REPEATS = 5


def run(data: Path) -> None:
    """Time the commands as whole processes."""
    rows: list[dict[str, Any]] = [{"what": "unillmrec --help", **_timed(["--help"], REPEATS)}]
    print(rows[-1], flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in SETS:
            tree = str(Path(folder) / f"{name}.tree")
            catalog = str(find(data, name, "items.jsonl"))
            built = _timed(["build", catalog, "-o", tree, "--json"], 1)
            like = ["recommend", tree, "--like", "a long journey by sea", "--json"]
            rows.append({"what": "build", "set": name, **built})
            rows.append({"what": "recommend", "set": name, **_timed(like, REPEATS)})
            print(rows[-2], rows[-1], sep="\n", flush=True)
    save(
        "speed",
        QUESTION,
        rows,
        seed="nothing is drawn by lot",
        judge="embedded similarity judge, no model",
    )


def _timed(arguments: list[str], repeats: int) -> dict[str, Any]:
    """Return best and median time of a command, and the peak memory with its children."""
    seconds, megabytes = [], 0.0
    for _ in range(repeats):
        # A process of its own for each run, so that the peak of its children is its own.
        probe = [sys.executable, "-m", "benchmarks.speed", *arguments]
        started = time.perf_counter()
        done = subprocess.run(probe, capture_output=True, text=True, check=True)
        report = json.loads(done.stderr.splitlines()[-1])
        seconds.append(report["seconds"])
        megabytes = max(megabytes, report["megabytes"])
        assert time.perf_counter() - started >= report["seconds"]
    seconds.sort()
    return {
        "seconds best": round(seconds[0], 3),
        "seconds median": round(seconds[len(seconds) // 2], 3),
        "megabytes": round(megabytes),
        "runs": repeats,
    }


def _probe(arguments: list[str]) -> None:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "unillmrec", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    report = {
        "seconds": time.perf_counter() - started,
        "megabytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }
    print(json.dumps(report), file=sys.stderr)


if __name__ == "__main__":
    _probe(sys.argv[1:])
