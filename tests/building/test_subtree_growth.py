import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array

from unillmrec.building import subtree_growth
from unillmrec.building.backends import ProcessBackend
from unillmrec.building.subtree_growth import grow_in_processes, grow_subtree
from unillmrec.errors import TreeError
from unillmrec.tree.clustering import unit_rows
from unillmrec.tree.growing import Bounds, Shape

BOUNDS = Bounds(fan_out=4, leaf_target=10, leaf_capacity=16)


def points_of(kind, count=400):
    chance = np.random.default_rng(3)
    if kind in ("dense", "mapped"):
        rows = unit_rows(chance.normal(size=(count, 6)).astype(np.float32))
        if kind == "dense":
            return rows
        np.save("mapped.npy", rows)
        return np.load("mapped.npy", mmap_mode="r+")
    dense = random_array((count, 60), density=0.1, rng=chance).toarray()
    return csr_matrix(unit_rows(dense.astype(np.float32)))


def ignore(done, total):
    pass


@pytest.fixture
def planned():
    """A folder with a plan to grow two small subtrees, and a large one between them."""
    folder = Path("points").resolve()
    folder.mkdir()
    np.save(folder / "points.npy", points_of("dense"))
    for number, size in enumerate((9, 40, 7)):
        np.save(folder / f"rows-{number}.npy", np.arange(size))
    bounds = {"fan_out": 4, "leaf_target": 10, "leaf_capacity": 16}
    plan = {"bounds": bounds, "seeds": [[5], [6], [7]]}
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder


@pytest.mark.parametrize("kind", ["dense", "sparse", "mapped"])
def test_the_tree_does_not_depend_on_the_number_of_workers(kind, monkeypatch):
    """With one process or two, a seed gives the same tree, and progress is reported."""
    points = points_of(kind)
    reports = []

    alone = grow_in_processes(points, BOUNDS, 5, 1, ignore)
    monkeypatch.setattr(subtree_growth, "MIN_SIZE_FOR_PROCESSES", 100)
    together = grow_in_processes(points, BOUNDS, 5, 2, lambda *report: reports.append(report))

    assert repr(Shape.of(alone)) == repr(Shape.of(together))
    assert Path("mapped.npy").exists() == (kind == "mapped")
    assert Shape.of(alone).order.tolist() == Shape.of(together).order.tolist()
    assert (400, 400) == reports[-1]


def test_a_small_catalog_starts_no_process(monkeypatch):
    """Starting one takes longer than growing a tree of a few thousand items."""
    monkeypatch.setattr(subtree_growth, "ProcessBackend", None)

    assert grow_in_processes(points_of("dense"), BOUNDS, 5, 2, ignore).children


def test_a_worker_imports_nothing_from_the_folder_it_is_started_in(planned):
    """A file of the user that is named like a module of Python is not run."""
    for name in ("json.py", "numpy.py", "subprocess.py"):
        Path(name).write_text("raise SystemExit('the wrong module')")

    ProcessBackend(1).run(grow_subtree, planned, [0], lambda number: None)

    assert {"rows": list(range(9))} == json.loads((planned / "grown-0.json").read_text())


def test_a_failing_worker_is_an_error(monkeypatch, started):
    """The error has the last line of its message, and no process is left running."""
    monkeypatch.setattr(subtree_growth, "MIN_SIZE_FOR_PROCESSES", 100)
    monkeypatch.setattr(subtree_growth, "_write_points", lambda folder, points: None)

    with pytest.raises(TreeError, match="ended with code 1") as caught:
        grow_in_processes(points_of("dense"), BOUNDS, 5, 2, ignore)

    assert "FileNotFoundError" in caught.value.detail
    assert "--workers 1" in caught.value.remedy
    assert 2 == len(started)
    assert all(process.returncode is not None for process in started)


def test_every_subtree_is_grown_by_one_worker(planned):
    """A worker that is done takes the next one that nobody has."""
    done = []

    ProcessBackend(2).run(grow_subtree, planned, [1, 0, 2], done.append)

    assert [0, 1, 2] == sorted(done)
    grown = [json.loads((planned / f"grown-{number}.json").read_text()) for number in range(3)]
    assert [False, True, False] == ["children" in each for each in grown]
