import subprocess
from pathlib import Path

import unillmrec
from unillmrec.processes import command_of, environment_of_commands


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
