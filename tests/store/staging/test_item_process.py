import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from unillmrec.errors import StoreError
from unillmrec.items import Item, ItemFields
from unillmrec.store import Staging, TreeWriter
from unillmrec.store.rows import item_rows
from unillmrec.store.staging import item_process, tree_writer
from unillmrec.system.processes import module_command, worker_environment
from unillmrec.tree import vectors

ITEMS = [
    Item(f"i{n}", f"Título {n}\n“quoted”", "" if n % 2 else "text", ("a", f"b{n % 3}"), attributes)
    for n, attributes in enumerate(
        [{}, {"tags": ("x", "", "y"), "price": 1.5}, {"on": True, "kind": "k", "n": 2**40}] * 20
    )
]


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(tree_writer, "ITEM_BATCH", 7)
    monkeypatch.setattr(tree_writer, "MIN_ITEMS_FOR_PROCESS", 20)


@pytest.fixture
def started(monkeypatch):
    """The processes started during the test."""
    processes = []
    start = subprocess.Popen

    def recorded(*args, **kwargs):
        processes.append(start(*args, **kwargs))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", recorded)
    return processes


def rows_of(kind, count):
    dense = np.random.default_rng(1).random((count, 9)).astype(np.float32)
    return dense if kind == "dense" else csr_matrix(np.where(dense > 0.5, dense, 0))


def write(path, items, *, workers, kind="sparse", priors=None):
    with Staging(Path(path)) as staging:
        writer = TreeWriter(staging, workers=workers)
        for item in items:
            writer.add_item(item)
        writer.end_items()
        writer.add_vectors(0, rows_of(kind, writer.items))
        writer.place_items(np.arange(writer.items) + 2, priors)
        writer.finish({"items": writer.items})
        staging.publish()
    tables = ("item", "item_vector", "attribute", "attribute_text", "attribute_block", "fact")
    with closing(sqlite3.connect(path)) as db:
        return [db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables]


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_another_process_writes_the_same_file(kind, small_batches, started, monkeypatch):
    """Items, vectors, leaves and popularities are equal row by row."""
    monkeypatch.setattr(vectors, "PACKED_AT_ONCE", 11)
    priors = np.linspace(0, 1, len(ITEMS))
    alone = write("one.tree", ITEMS, workers=1, kind=kind, priors=priors)
    assert [] == started

    assert alone == write("two.tree", ITEMS, workers=2, kind=kind, priors=priors)
    assert [0] == [process.returncode for process in started]
    assert [len(ITEMS)] * 2 == [len(alone[0]), len(alone[1])]


def test_a_duplicate_id_is_reported_by_the_other_process(small_batches):
    """The message is the same as in a build with one process."""
    messages = []
    for workers in (1, 2):
        with pytest.raises(StoreError, match="'i3' is used more than once") as caught:
            write("one.tree", [*ITEMS, Item("i3", "again")], workers=workers)
        messages.append(str(caught.value))

    assert messages[0] == messages[1]
    assert [] == list(Path().iterdir())


@pytest.mark.parametrize(
    "field",
    [
        lambda n: {"id": np.str_(f"i{n}")},
        lambda n: {"title": np.str_(f"Title {n}")},
        lambda n: {"path": (np.str_("a"),)},
        lambda n: {"attributes": {"price": np.float64(n), "tags": (np.str_("x"),)}},
        lambda n: {"attributes": {np.str_("kind"): np.str_("k")}},
    ],
)
def test_numpy_types_are_written_as_plain_types(field, small_batches):
    """Catalogs read with numpy or pandas contain them; none may end up as bytes."""
    items = [Item(**({"id": f"i{n}", "title": f"Title {n}"} | field(n))) for n in range(50)]
    write("one.tree", items, workers=1)

    write("two.tree", items, workers=2)

    query = "SELECT id, title, path, attributes FROM item ORDER BY number"
    with closing(sqlite3.connect("one.tree")) as one, closing(sqlite3.connect("two.tree")) as two:
        assert one.execute(query).fetchall() == two.execute(query).fetchall()


def test_a_small_catalog_starts_no_process(started):
    """Starting one takes longer than writing a few thousand items."""
    write("one.tree", ITEMS, workers=2)

    assert [] == started


def test_an_item_that_cannot_be_stored_is_reported(small_batches):
    """The error is the same as with one process, and nothing is written."""
    bad = [*ITEMS, Item("x", "half \ud800 pair")]

    with pytest.raises(StoreError, match="half a surrogate pair") as caught:
        write("one.tree", bad, workers=2)

    assert "Nothing was written." == caught.value.detail
    assert [] == list(Path().iterdir())


def test_a_file_that_cannot_be_written_is_reported(small_batches, started, monkeypatch):
    """SQLite errors of the other process are reported like those of this one."""
    original = item_process.module_command

    def foreign(module, path, first):
        Path("foreign").write_text("not an SQLite file, " * 100)
        return original(module, str(Path("foreign").resolve()), first)

    monkeypatch.setattr(item_process, "module_command", foreign)
    with pytest.raises(StoreError, match=r"one\.tree cannot be written: file is not a"):
        write("one.tree", ITEMS, workers=2)


def test_a_process_that_ends_early_is_reported(small_batches, started, monkeypatch):
    """The error quotes its last line of output."""
    command = [sys.executable, "-c", "raise MemoryError('all')"]
    monkeypatch.setattr(item_process, "module_command", lambda *_: command)

    with pytest.raises(StoreError, match="that writes the items ended with code 1") as caught:
        write("one.tree", ITEMS * 50, workers=2)

    assert "MemoryError: all" == caught.value.detail
    assert [] == list(Path().iterdir())


def test_no_process_is_left_when_reading_fails(small_batches, started):
    """The reader's error is raised, and the process ends."""

    def items():
        yield from ITEMS
        raise StoreError("the reader's")

    with pytest.raises(StoreError, match="the reader's"):
        write("one.tree", items(), workers=2)

    assert 1 == len(started)
    assert all(process.returncode is not None for process in started)
    assert [] == list(Path().iterdir())


def test_incomplete_input_is_not_committed():
    """A process whose sender was killed exits with an error."""
    with Staging(Path("one.tree")) as staging:
        staging.db.execute("COMMIT")
        done = subprocess.run(
            module_command("unillmrec.store.staging.item_process", str(staging.working_path), "0"),
            env=worker_environment(),
            input=item_process._message(
                "items", item_process._packed(ItemFields.of([Item("a", "t")]))
            ),
            check=False,
        )

        assert 1 == done.returncode
        staging.db.execute("BEGIN")


def test_rows_are_the_same_together_and_alone():
    """Items may be encoded together or one by one."""
    together = item_rows(range(5, 5 + len(ITEMS)), ItemFields.of(ITEMS))
    alone = [item_rows([n], ItemFields.of([item]))[0] for n, item in enumerate(ITEMS, start=5)]

    assert alone == together
