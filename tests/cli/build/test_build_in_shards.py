import re
from pathlib import Path

import numpy as np
import pytest

from unillmrec.store import ItemTree


@pytest.fixture
def films(tmp_path):
    rows = [f'{{"id": "f{n}", "title": "Film {n % 9} of {n % 5}"}}' for n in range(80)]
    (tmp_path / "films.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return "films.jsonl"


def test_an_engine_builds_the_tree_in_shards(run, films):
    """The report is that of any build; nothing but the tree is left."""
    ended = run("build", films, "--engine", "local")

    assert (0, "") == (ended.code, ended.err)
    lines = ended.out.splitlines()
    assert "films.tree  80 items" == lines[0]
    assert re.search(r"read .* sample .* map .* grow .* merge", ended.out)
    assert {"films.jsonl", "films.tree"} == {path.name for path in Path().iterdir()}
    with ItemTree.open("films.tree") as tree:
        assert 80 == len(tree)


def test_a_work_folder_is_kept_and_used_again(run, films):
    """The same command goes on there; another catalog is refused in words."""
    assert 0 == run("build", films, "--engine", "local", "--work", "w").code
    assert Path("w/catalog.done").exists()
    before = Path("films.tree").read_bytes()

    again = run("build", films, "--engine", "local", "--work", "w", "--overwrite")
    assert (0, before) == (again.code, Path("films.tree").read_bytes())

    Path(films).write_text('{"id": "a", "title": "Another"}\n')
    other = run("build", films, "--engine", "local", "--work", "w", "--overwrite")
    assert 3 == other.code
    assert "belongs to another build: its items 0 to 1 differ." in other.err
    assert before == Path("films.tree").read_bytes()


def test_what_cannot_be_built_in_shards_is_refused(run, films):
    """Before anything is read."""
    np.save("given.npy", np.eye(80, dtype=np.float32))

    ended = run("build", films, "--engine", "local", "--vectors", "given.npy")

    assert 3 == ended.code
    assert "given vectors cannot be built in shards" in ended.err
