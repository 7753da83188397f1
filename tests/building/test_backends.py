import builtins
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from tests import trees
from tests.building.shards.small_builds import SMALL, build_small, options
from unillmrec.building import Sharding, build
from unillmrec.building.backends import LocalBackend, ProcessBackend, RayBackend, create_backend
from unillmrec.building.shards.steps import learn_top, map_shard
from unillmrec.errors import MissingExtraError, TreeError


class Backwards:
    """A backend of somebody else, which starts at the end."""

    def run(self, step, work, numbers, on_done):
        for number in reversed(numbers):
            step(work, number)
            on_done(number)


@pytest.fixture
def unfinished(tmp_path):
    """A work folder in which only the slices and the top of the tree are finished."""
    work = tmp_path / "w"

    class TopOnly(LocalBackend):
        def run(self, step, work, numbers, on_done):
            if step is not learn_top:
                raise TreeError("stopped")
            super().run(step, work, numbers, on_done)

    with pytest.raises(TreeError, match="stopped"):
        build_small("t.tree", work=work, backend=TopOnly())
    return work


def test_every_backend_makes_the_same_file():
    """Wherever the steps run, in whatever order, with any number of workers."""
    build_small("local.tree", backend="local")
    build_small("backwards.tree", backend=Backwards())
    sharding = Sharding(None, "processes", **SMALL)
    build(trees.items(), "two.tree", options(workers=2), sharding=sharding)

    expected = Path("local.tree").read_bytes()
    assert expected == Path("backwards.tree").read_bytes()
    assert expected == Path("two.tree").read_bytes()


@pytest.mark.ray
def test_ray_makes_the_same_file(monkeypatch):
    """With Ray itself, on this machine."""
    import ray

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    build_small("local.tree", backend="local")
    sharding = Sharding(None, "ray", **SMALL)
    try:
        build(trees.items(), "ray.tree", options(workers=2), sharding=sharding)
    finally:
        ray.shutdown()

    assert Path("local.tree").read_bytes() == Path("ray.tree").read_bytes()


def test_a_backend_is_created_by_name():
    """With the given number of workers."""
    assert isinstance(create_backend("local", 3), LocalBackend)
    assert 3 == create_backend("processes", 3).workers
    assert isinstance(create_backend("ray", 3), RayBackend)


def test_every_number_is_reported_once(unfinished):
    """With more steps than workers, and with more workers than steps."""
    done = []
    ProcessBackend(2).run(map_shard, unfinished, [0, 1, 2, 3], done.append)
    ProcessBackend(3).run(map_shard, unfinished, [4], done.append)

    assert [0, 1, 2, 3, 4] == sorted(done)
    assert all((unfinished / f"shard-0000{number}.done").exists() for number in range(5))


def test_a_failing_worker_is_an_error(unfinished, started):
    """The error has the last line of its message, and no process is left running."""
    with pytest.raises(TreeError, match="ended with code 1") as caught:
        ProcessBackend(2).run(map_shard, unfinished, [0, 77, 78], lambda number: None)

    # The other worker may reach its own missing slice before the first failure is noticed.
    assert re.search("slice-0007[78]", caught.value.detail)
    assert "--work" in caught.value.remedy
    assert 2 == len(started)
    assert all(process.returncode is not None for process in started)


@pytest.mark.usefixtures("killed")
def test_a_killed_worker_is_an_error(unfinished):
    """A system that is short of memory kills without a message."""
    with pytest.raises(TreeError, match="ended with code -9") as caught:
        ProcessBackend(1).run(map_shard, unfinished, [0], lambda number: None)

    assert "It left no message." == caught.value.detail


def test_a_worker_imports_nothing_from_the_folder_it_is_started_in(unfinished):
    """A file of the user that is named like a module of Python is not run."""
    for name in ("json.py", "numpy.py", "subprocess.py"):
        Path(name).write_text("raise SystemExit('the wrong module')")
    done = []

    ProcessBackend(1).run(map_shard, unfinished, [0], done.append)

    assert [0] == done


def test_a_worker_ends_with_its_input(unfinished):
    """So a build that was killed leaves nothing running."""
    home = str(Path(__file__).parents[2])
    step = "unillmrec.building.shards.steps:map_shard"
    ended = subprocess.run(
        [sys.executable, "-m", "unillmrec.building.worker", step, str(unfinished)],
        input="0\n1\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"PYTHONPATH": home},
    )

    assert "0\n\n1\n\n" == ended.stdout


def test_missing_ray_is_an_error(unfinished, monkeypatch):
    """The error has the command that installs it."""
    real = builtins.__import__

    def without_ray(name, *rest, **more):
        if name == "ray":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_ray)

    with pytest.raises(MissingExtraError) as caught:
        RayBackend(2).run(map_shard, unfinished, [0], lambda number: None)

    assert "pip install 'unillmrec[ray]'" == caught.value.remedy


class ToyRay(types.ModuleType):
    """What the backend needs of Ray, in this process; a task runs when it is waited for."""

    def __init__(self):
        super().__init__("ray")
        self.started = None
        self.requested = None
        self.most = 0
        self.exceptions = types.SimpleNamespace(RayError=KeyError)

    def is_initialized(self):
        return self.started is not None

    def init(self, **given):
        self.started = given

    def remote(self, **requested):
        self.requested = requested
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


def test_ray_runs_as_many_tasks_at_a_time_as_there_are_workers(unfinished, toy_ray):
    """A task asks for less than a core, so that none waits for one forever."""
    done = []
    RayBackend(2).run(map_shard, unfinished, [0, 1, 2, 3, 4], done.append)

    assert [0, 1, 2, 3, 4] == done
    assert 2 == toy_ray.most
    assert 0.5 == toy_ray.requested["num_cpus"]
    assert ("local", 2) == (toy_ray.started["address"], toy_ray.started["num_cpus"])


def test_ray_uses_the_cluster_at_ray_address(unfinished, toy_ray, monkeypatch):
    """A cluster has its own number of cores."""
    monkeypatch.setenv("RAY_ADDRESS", "ray.example:6379")

    RayBackend(2).run(map_shard, unfinished, [0], lambda number: None)

    assert "ray.example:6379" == toy_ray.started["address"]
    assert "num_cpus" not in toy_ray.started


def test_a_failing_ray_task_is_an_error(unfinished, toy_ray, monkeypatch):
    """The error names the step, with the last line of the message from Ray."""

    def failing(done):
        raise KeyError("Traceback\n  MemoryError: none left")

    monkeypatch.setattr(toy_ray, "get", failing)

    with pytest.raises(TreeError, match="failed in the step 'map_shard'"):
        RayBackend(2).run(map_shard, unfinished, [0], lambda number: None)
