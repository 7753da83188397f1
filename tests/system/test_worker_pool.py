import os
import sys
from contextlib import closing

import pytest

from unillmrec.errors import EvaluationError
from unillmrec.system import worker_pool
from unillmrec.system.worker_pool import run_tasks

SERVE = "from unillmrec.system.worker_pool import serve_tasks\n"


def run(script):
    """The sorted results of two tasks in processes that run a script."""
    with closing(results_of(script, ["a", "b"], 2)) as lines:
        return sorted(lines)


def results_of(script, tasks, workers):
    command = [sys.executable, "-c", script]
    return run_tasks(command, tasks, workers, lambda code, message: EvaluationError(message))


def test_other_output_of_a_worker_is_not_a_result():
    """Before the first task, and between the lines of one."""
    script = (
        f"import os\n{SERVE}"
        "def answer(task):\n    print('hello')\n    os.write(1, b'there')\n    yield task * 2\n"
        "serve_tasks(answer)"
    )

    assert [("a", "aa"), ("b", "bb")] == run(script)


def test_a_worker_with_unreadable_output_is_killed(monkeypatch):
    """A process that goes on living is not waited for."""
    monkeypatch.setattr(worker_pool, "ENDING_SECONDS", 0.1)
    script = (
        "import sys, time\nsys.stdout.buffer.write(b'\\xff\\xfe\\n')\n"
        "sys.stdout.flush()\ntime.sleep(60)"
    )

    with pytest.raises(EvaluationError):
        run(script)


def test_the_last_words_of_a_failed_worker_are_reported():
    """The error has the last line that the process wrote before it ended."""
    with pytest.raises(EvaluationError, match="MemoryError: all of it"):
        run(f"{SERVE}def answer(task):\n    raise MemoryError('all of it')\nserve_tasks(answer)")


def test_no_worker_outlives_the_results():
    """Whoever stops reading early leaves no process behind."""
    script = f"import os\n{SERVE}serve_tasks(lambda task: [str(os.getpid())])"
    with closing(results_of(script, map(str, range(50)), 1)) as lines:
        pid = int(next(lines)[1])

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
