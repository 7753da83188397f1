"""A lock on a file is held by one process at a time."""

import subprocess
import sys

import pytest

from unillmrec.system.locks import file_lock

HOLD = """
import sys
from pathlib import Path
from unillmrec.system.locks import file_lock
with file_lock(Path("held")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder():
    """A process that holds the lock until its input is closed."""
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert "held\n" == process.stdout.readline()
        yield process
        process.kill()


def test_a_held_lock_is_not_given_twice(holder, tmp_path):
    """Whoever does not want to wait learns that somebody holds it."""
    with pytest.raises(TimeoutError), file_lock(tmp_path / "held", timeout=0):
        pass


def test_a_killed_process_lets_go(holder, tmp_path):
    """Nobody has to remove a lock by hand."""
    holder.kill()
    holder.wait()

    with file_lock(tmp_path / "held", timeout=10):
        pass


def test_a_lock_is_free_again_after_an_error(tmp_path):
    """An error inside lets go of the lock."""
    with pytest.raises(ValueError, match="inside"), file_lock(tmp_path / "free"):
        raise ValueError("inside")

    with file_lock(tmp_path / "free", timeout=0):
        pass
