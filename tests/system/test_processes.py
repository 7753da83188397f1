import os
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

import unillmrec
from unillmrec.settings.options import OPTIONS
from unillmrec.system.processes import module_command, on_one_core, worker_environment


def test_a_command_runs_this_package_and_not_files_in_the_current_folder(monkeypatch):
    """A file of the user's named like a module is not run, and their own path is kept."""
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    for name in ("json.py", "unillmrec.py"):
        Path(name).write_text("raise SystemExit('the wrong module')")

    environment = worker_environment()
    done = subprocess.run(
        module_command("unillmrec", "--version"), env=environment, capture_output=True, text=True
    )

    assert 0 == done.returncode, done.stderr
    assert unillmrec.__version__ in done.stdout
    assert environment["PYTHONPATH"].endswith("elsewhere")


def test_the_path_leads_to_the_package_and_not_into_it(monkeypatch):
    """Inside the package, its modules would be found under the names of others."""
    monkeypatch.delenv("PYTHONPATH", raising=False)

    assert str(Path(unillmrec.__file__).parents[1]) == worker_environment()["PYTHONPATH"]


def test_a_process_that_calls_no_model_gets_no_key(monkeypatch):
    """Whatever a secret setting is called in the environment."""
    secret = {each.variable for each in OPTIONS if each.name == "api_key"}
    for name in secret:
        monkeypatch.setenv(name, "sk-secret")

    assert secret
    assert "sk-secret" not in worker_environment().values()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin threads")
def test_threads_that_take_turns_stay_on_one_core():
    """Threads started inside stay there as well; afterwards the old cores are available again."""
    before, inside = os.sched_getaffinity(0), []

    with suppress(KeyError), on_one_core():
        thread = threading.Thread(target=lambda: inside.append(os.sched_getaffinity(0)))
        thread.start()
        thread.join()
        raise KeyError

    assert [1] == [len(cores) for cores in inside]
    assert inside[0] <= before == os.sched_getaffinity(0)
