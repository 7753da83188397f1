import json
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array

from unillmrec.building import subtree_processes as subtrees
from unillmrec.building.subtree_processes import grow_in_processes
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


@pytest.fixture
def silent():
    return lambda done, total: None


@pytest.mark.parametrize("kind", ["dense", "sparse", "mapped"])
def test_the_tree_does_not_depend_on_the_number_of_workers(kind, monkeypatch):
    """One process or two, the same seed gives the same tree, and progress is reported."""
    points = points_of(kind)
    done = []

    alone = grow_in_processes(points, BOUNDS, 5, 1, lambda *_: None)
    monkeypatch.setattr(subtrees, "WORTH_A_PROCESS", 100)
    together = grow_in_processes(points, BOUNDS, 5, 2, lambda now, total: done.append((now, total)))

    assert repr(Shape.of(alone)) == repr(Shape.of(together))
    assert Path("mapped.npy").exists() == (kind == "mapped")
    assert Shape.of(alone).order.tolist() == Shape.of(together).order.tolist()
    assert (400, 400) == done[-1]


def test_a_small_catalog_starts_no_process(monkeypatch, silent):
    """Starting one takes longer than growing a few thousand items."""
    monkeypatch.setattr(subtrees, "_start_worker", None)

    assert grow_in_processes(points_of("dense"), BOUNDS, 5, 2, silent).children


def test_a_worker_does_not_read_the_folder_it_is_started_in():
    """A file of the user's that is named like a module of Python is not run."""
    for name in ("json.py", "numpy.py", "subprocess.py"):
        Path(name).write_text("raise SystemExit('the wrong module')")
    folder = Path("points").resolve()
    folder.mkdir()
    np.save(folder / "points.npy", points_of("dense"))
    np.save(folder / "rows-0.npy", np.arange(9))
    work = {"leaf": [10, 16], "fan_out": 4, "parts": [[0, [5]]]}

    assert 0 == subtrees._start_worker(folder, work, 0).wait(60)
    assert {"rows": list(range(9))} == json.loads((folder / "grown-0.json").read_text())


def test_a_failing_worker_is_said(monkeypatch, silent):
    """Its last words are told, and no process is left running."""
    monkeypatch.setattr(subtrees, "WORTH_A_PROCESS", 100)
    monkeypatch.setattr(subtrees, "_write_points", lambda folder, points: None)
    started = []
    start = subtrees._start_worker
    monkeypatch.setattr(
        subtrees, "_start_worker", lambda *given: started.append(start(*given)) or started[-1]
    )

    with pytest.raises(TreeError, match="ended with code 1") as caught:
        grow_in_processes(points_of("dense"), BOUNDS, 5, 2, silent)

    assert "FileNotFoundError" in caught.value.detail
    assert 2 == len(started)
    assert all(process.returncode is not None for process in started)


def test_a_part_is_grown_by_one_worker():
    """Whoever comes first takes it, and the next part is for whoever has time."""
    folder = Path("points").resolve()
    folder.mkdir()
    np.save(folder / "points.npy", points_of("dense"))
    for number in range(3):
        np.save(folder / f"rows-{number}.npy", np.arange(number, 9))
    (folder / "taken-1").touch()
    work = {"leaf": [10, 16], "fan_out": 4, "parts": [[2, [5]], [1, [6]], [0, [7]]]}
    (folder / "work.json").write_text(json.dumps(work))

    subtrees.grow_part(folder / "work.json")

    assert ["grown-0.json", "grown-2.json"] == sorted(p.name for p in folder.glob("grown-*"))
