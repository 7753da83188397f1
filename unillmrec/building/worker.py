"""The program of a worker process: run one step for every number that arrives on its input."""

from __future__ import annotations

import sys
from pathlib import Path
from pkgutil import resolve_name

from unillmrec.system.worker_pool import serve_tasks


def run_worker(step_name: str, work: str) -> None:
    """Run the step `module:function` in the folder *work* for each number, and return it."""
    step = resolve_name(step_name)

    def answer(task: str) -> list[str]:
        step(Path(work), int(task))
        return [task]

    serve_tasks(answer)


if __name__ == "__main__":
    run_worker(sys.argv[1], sys.argv[2])
