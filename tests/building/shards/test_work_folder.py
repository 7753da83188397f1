import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import trees
from tests.building.shards.small_builds import build_small
from unillmrec.building.backends import LocalBackend
from unillmrec.building.shards.top_tree import read_top
from unillmrec.building.shards.work_folder import WorkFolder
from unillmrec.errors import StoreError, TreeError
from unillmrec.items import Item


class Counting(LocalBackend):
    """Runs and records every step; stops after *most* of them."""

    def __init__(self, most=math.inf):
        self.ran = []
        self.most = most

    def run(self, step, work, numbers, on_done):
        for number in numbers:
            if len(self.ran) >= self.most:
                raise TreeError("stopped")
            self.ran.append((step, number))
            super().run(step, work, [number], on_done)


def test_a_stopped_build_resumes(tmp_path):
    """Finished work is not repeated, and the file is the same in the end."""
    whole = Counting()
    build_small("whole.tree", work=tmp_path / "whole", backend=whole)
    steps = len(whole.ran)

    for most in (0, 4, steps - 2):
        work = tmp_path / f"stopped-{most}"
        first, second = Counting(most), Counting()
        with pytest.raises(TreeError, match="stopped"):
            build_small(f"{most}.tree", work=work, backend=first)
        assert not Path(f"{most}.tree").exists()
        build_small(f"{most}.tree", work=work, backend=second)
        assert whole.ran == first.ran + second.ran
        assert Path("whole.tree").read_bytes() == Path(f"{most}.tree").read_bytes()


def test_a_finished_work_folder_gives_the_tree_again(finished, tmp_path):
    """Only the tree file is written again."""
    build_small("two.tree", work=tmp_path / "w", backend=Counting(0))

    assert Path("one.tree").read_bytes() == Path("two.tree").read_bytes()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"seed": 1}, "there seed is 0, here 1"),
        ({"popularity": "readers"}, "there popularity is None, here 'readers'"),
        ({"cut": {"cell": 41}}, "there cell is 40, here 41"),
        ({"catalog": trees.items(299)}, "there are 300 items, here 299"),
        ({"catalog": trees.items(301)}, "its items 280 to 301 differ"),
        ({"catalog": [Item("x", "Else"), *trees.items()[1:]]}, "its items 0 to 70 differ"),
    ],
)
def test_a_work_folder_of_another_build_is_refused(finished, tmp_path, change, problem):
    """Work of another catalog or with other options is never reused."""
    if change.get("catalog") and len(change["catalog"]) == 299:
        # The last slice is missing entirely, so only the count differs.
        change = {"catalog": trees.items()[:280]}
        problem = "there are 300 items, here 280"

    with pytest.raises(TreeError) as caught:
        build_small("two.tree", work=tmp_path / "w", **change)

    assert problem in caught.value.problem
    assert not Path("two.tree").exists()


def test_a_work_folder_that_cannot_be_created_is_an_error():
    """The error names the folder."""
    Path("file").write_text("")

    with pytest.raises(StoreError, match="the work folder file cannot be used"):
        build_small("t.tree", work=Path("file"))


def test_a_damaged_marker_is_an_error(finished, tmp_path):
    """It is not mistaken for unfinished work."""
    (tmp_path / "w" / "shard-00001.done").write_text("{")

    with pytest.raises(StoreError, match=r"shard-00001 is damaged"):
        build_small("two.tree", work=tmp_path / "w")


def test_a_missing_marker_is_an_error(finished, tmp_path):
    """Somebody removed files from the folder."""
    (tmp_path / "w" / "top.done").unlink()

    with pytest.raises(StoreError, match="has no finished 'top'"):
        read_top(WorkFolder(tmp_path / "w"))


def test_the_work_folder_holds_only_complete_files(tmp_path):
    """No temporary file is left."""
    build_small("one.tree", work=tmp_path / "w")

    assert [] == [name for name in os.listdir(tmp_path / "w") if name.startswith(".")]
    assert ["one.tree", "w"] == sorted(os.listdir())


BUILD = """
import sys
from pathlib import Path
from tests.building.shards.small_builds import build_small
print("ready", flush=True)
build_small("shop.tree", work=Path("w"))
"""


@pytest.mark.parametrize("seconds", [0.1])
def test_a_killed_build_can_be_resumed(built_once, seconds, tmp_path):
    """Whenever it is killed, the next build writes the same file as an uninterrupted one."""
    home = str(Path(__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": home}
    command = [sys.executable, "-c", BUILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert b"ready\n" == process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)

    build_small("next.tree", work=tmp_path / "w")

    assert (built_once / "one.tree").read_bytes() == Path("next.tree").read_bytes()
