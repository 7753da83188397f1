import os
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest

import unillmrec
from unillmrec.errors import EvaluationError
from unillmrec.settings.options import OPTIONS
from unillmrec.system import processes
from unillmrec.system.processes import command_of, environment_of_commands, handed_out, on_one_core


def test_a_command_runs_this_package_and_not_what_lies_around(monkeypatch):
    """A file of the user's named like a module is not run, and their own path is kept."""
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    for name in ("json.py", "unillmrec.py"):
        Path(name).write_text("raise SystemExit('the wrong module')")

    environment = environment_of_commands()
    done = subprocess.run(
        command_of("unillmrec", "--version"), env=environment, capture_output=True, text=True
    )

    assert 0 == done.returncode, done.stderr
    assert unillmrec.__version__ in done.stdout
    assert environment["PYTHONPATH"].endswith("elsewhere")


def test_no_key_is_given_to_a_process_that_asks_nobody(monkeypatch):
    """Whatever a secret setting is called in the environment."""
    secret = {each.variable for each in OPTIONS if each.name == "api_key"}
    for name in secret:
        monkeypatch.setenv(name, "sk-secret")

    assert secret
    assert "sk-secret" not in environment_of_commands().values()


def handed(script):
    """What processes that run a script make of two tasks."""
    command = [sys.executable, "-c", script]
    lines = handed_out(command, ["a", "b"], 2, lambda code, words: EvaluationError(words))
    with closing(lines):
        return sorted(lines)


def test_what_a_library_prints_is_no_answer():
    """Before the first task, and between the lines of one."""
    script = (
        "import os\nfrom unillmrec.system.processes import serve\n"
        "def answer(task):\n    print('hello')\n    os.write(1, b'there')\n    yield task * 2\n"
        "serve(answer)"
    )

    assert [("a", "aa"), ("b", "bb")] == handed(script)


def test_what_cannot_be_read_ends_it(monkeypatch):
    """A process that goes on living is not waited for."""
    monkeypatch.setattr(processes, "ENDING_SECONDS", 0.1)
    script = (
        "import sys, time\nsys.stdout.buffer.write(b'\\xff\\xfe\\n')\n"
        "sys.stdout.flush()\ntime.sleep(60)"
    )

    with pytest.raises(EvaluationError):
        handed(script)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no say in where threads run")
def test_threads_that_take_turns_stay_on_one_core():
    """Those that are started inside as well; afterwards all is as before."""
    before, inside = os.sched_getaffinity(0), []

    with suppress(KeyError), on_one_core():
        thread = threading.Thread(target=lambda: inside.append(os.sched_getaffinity(0)))
        thread.start()
        thread.join()
        raise KeyError

    assert [1] == [len(cores) for cores in inside]
    assert inside[0] <= before == os.sched_getaffinity(0)
