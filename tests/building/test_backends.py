import builtins
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from tests import trees
from tests.building.shards.test_steps import SMALL, build_small, options
from unillmrec.building.backends import Local, Processes, Ray, engine_named
from unillmrec.building.shards import steps as sharding
from unillmrec.building.shards.run import build_in_shards
from unillmrec.building.shards.slicing import Sharding
from unillmrec.errors import MissingExtraError, TreeError


class Backwards:
    """An engine of somebody else's: it begins at the end."""

    def run(self, step, work, numbers, told):
        for number in reversed(numbers):
            told(sharding.run_step(step, str(work), number))


@pytest.fixture
def unfinished(tmp_path):
    """A work folder in which only the slices and the sample's tree are done."""
    work = tmp_path / "w"

    class TopOnly(Local):
        def run(self, step, work, numbers, told):
            if step != "top":
                raise TreeError("stopped")
            super().run(step, work, numbers, told)

    with pytest.raises(TreeError, match="stopped"):
        build_small("t.tree", work=work, engine=TopOnly())
    return work


def test_every_engine_makes_the_same_file():
    """Whoever runs the pieces, in whatever order, with however many workers."""
    build_small("local.tree", engine="local")
    build_small("backwards.tree", engine=Backwards())
    build_in_shards(
        trees.items(), "two.tree", options(workers=2), Sharding(None, "processes", **SMALL)
    )

    expected = Path("local.tree").read_bytes()
    assert expected == Path("backwards.tree").read_bytes()
    assert expected == Path("two.tree").read_bytes()


def test_an_engine_is_found_by_its_name():
    """With as many workers as were asked for."""
    assert isinstance(engine_named("local", 3), Local)
    assert 3 == engine_named("processes", 3).workers
    assert isinstance(engine_named("ray", 3), Ray)


def test_every_number_is_told_once(unfinished):
    """More pieces than workers, and more workers than pieces."""
    told = []
    Processes(2).run("map", unfinished, [0, 1, 2, 3], told.append)
    Processes(3).run("map", unfinished, [4], told.append)

    assert [0, 1, 2, 3, 4] == sorted(told)
    assert all((unfinished / f"shard-0000{number}.done").exists() for number in range(5))


def test_a_failing_worker_is_said(unfinished, started):
    """Its last words are told, and no process is left running."""
    with pytest.raises(TreeError, match="ended with code 1") as caught:
        Processes(2).run("map", unfinished, [0, 77, 78], lambda number: None)

    # The other worker may come to its own missing piece before anybody looks at the first.
    assert re.search("slice-0007[78]", caught.value.detail)
    assert "--work" in caught.value.remedy
    assert 2 == len(started)
    assert all(process.returncode is not None for process in started)


@pytest.mark.usefixtures("killed")
def test_a_killed_worker_is_said(unfinished):
    """Somebody short of memory kills without a word."""
    with pytest.raises(TreeError, match="ended with code -9") as caught:
        Processes(1).run("map", unfinished, [0], lambda number: None)

    assert "It left no message." == caught.value.detail


def test_a_worker_does_not_read_the_folder_it_is_started_in(unfinished):
    """A file of the user's that is named like a module of Python is not run."""
    for name in ("json.py", "numpy.py", "subprocess.py"):
        Path(name).write_text("raise SystemExit('the wrong module')")
    told = []

    Processes(1).run("map", unfinished, [0], told.append)

    assert [0] == told


def test_a_worker_ends_when_nobody_asks_anything_more(unfinished):
    """So that a build that was killed leaves nothing running."""
    home = str(Path(__file__).parents[2])
    ended = subprocess.run(
        [sys.executable, "-m", "unillmrec.building.backends", "map", str(unfinished)],
        input="0\n1\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"PYTHONPATH": home},
    )

    assert "0\n\n1\n\n" == ended.stdout


def test_ray_that_is_not_installed_is_said(unfinished, monkeypatch):
    """With the command that installs it."""
    real = builtins.__import__

    def without_ray(name, *rest, **more):
        if name == "ray":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_ray)

    with pytest.raises(MissingExtraError) as caught:
        Ray(2).run("map", unfinished, [0], lambda number: None)

    assert "pip install 'unillmrec[ray]'" == caught.value.remedy


class ToyRay(types.ModuleType):
    """What the engine needs of Ray, here and now; a task runs when it is waited for."""

    def __init__(self):
        super().__init__("ray")
        self.started = None
        self.asked = None
        self.most = 0
        self.exceptions = types.SimpleNamespace(RayError=KeyError)

    def is_initialized(self):
        return self.started is not None

    def init(self, **given):
        self.started = given

    def remote(self, **asked):
        self.asked = asked
        return lambda run: types.SimpleNamespace(remote=lambda *given: (run, given))

    def wait(self, running):
        self.most = max(self.most, len(running))
        return running[:1], running[1:]

    def get(self, done):
        return [run(*given) for run, given in done]


@pytest.fixture
def toy_ray(monkeypatch):
    """A Ray that is no cluster."""
    ray = ToyRay()
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    return ray


def test_ray_runs_as_many_at_a_time_as_there_are_workers(unfinished, toy_ray):
    """And a task asks for less than a core, so that none waits for one forever."""
    told = []
    Ray(2).run("map", unfinished, [0, 1, 2, 3, 4], told.append)

    assert [0, 1, 2, 3, 4] == told
    assert 2 == toy_ray.most
    assert 0.5 == toy_ray.asked["num_cpus"]
    assert ("local", 2) == (toy_ray.started["address"], toy_ray.started["num_cpus"])


def test_ray_is_found_where_the_variable_says(unfinished, toy_ray, monkeypatch):
    """A cluster has the cores it has."""
    monkeypatch.setenv("RAY_ADDRESS", "ray.example:6379")

    Ray(2).run("map", unfinished, [0], lambda number: None)

    assert "ray.example:6379" == toy_ray.started["address"]
    assert "num_cpus" not in toy_ray.started


def test_a_failing_ray_task_is_said(unfinished, toy_ray, monkeypatch):
    """In our words, with the last line of theirs."""

    def failing(done):
        raise KeyError("Traceback\n  MemoryError: none left")

    monkeypatch.setattr(toy_ray, "get", failing)

    with pytest.raises(TreeError, match="failed in the step 'map'"):
        Ray(2).run("map", unfinished, [0], lambda number: None)
