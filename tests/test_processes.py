import os
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

import unillmrec
from unillmrec.processes import command_of, environment_of_commands, on_one_core


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
