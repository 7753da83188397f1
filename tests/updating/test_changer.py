import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import trees
from tests.cli.conftest import PACKAGE
from unillmrec import Recommender
from unillmrec.errors import StoreError, TreeError
from unillmrec.items import Item
from unillmrec.store import EditableTree, ItemTree, files
from unillmrec.store.invariants import find_breaches
from unillmrec.updating.changer import TreeChanger

NEW = [Item(f"new-{n}", f"A storm over the island {n}", "Sea and tide.") for n in range(80)]


@pytest.fixture
def path(tmp_path_factory, tmp_path):
    """The path of a tree of three hundred items that a test may change."""
    built = tmp_path_factory.getbasetemp() / "trees"
    built.mkdir(exist_ok=True)
    trees.tree(built).close()
    shutil.copy(built / "words.tree", tmp_path / "a.tree")
    return tmp_path / "a.tree"


def content(path):
    """Return the content of all tables of a tree, as a reader sees it."""
    with ItemTree.open(path) as tree:
        tables = ("item", "item_vector", "node", "node_sum", "term", "attribute_block", "fact")
        return [tree.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables]


def test_reports_count_each_kind_of_change(path):
    """Every call returns how many items it inserted, updated, deleted or ignored."""
    with TreeChanger(path) as changer:
        inserted = changer.insert(NEW)
        updated = changer.update([NEW[0], Item("new-1", "Another title altogether")])
        mixed = changer.upsert([Item("new-2", "Changed"), Item("brand-new", "Fresh")])
        deleted = changer.delete(["new-0", "new-0", "nobody"], ignore_missing=True)

    assert (80, 80) == (inserted.inserted, inserted.changed)
    assert (1, 1) == (updated.updated, updated.unchanged)
    assert (1, 1) == (mixed.updated, mixed.inserted)
    assert (1, 1) == (deleted.deleted, deleted.ignored)


def test_sync_applies_only_the_differences(path):
    """New, deleted and changed items are applied; a second sync changes nothing."""
    items = trees.items()
    catalog = [*items[10:], *NEW[:3]]
    catalog[5] = Item(catalog[5].id, "Something else now")
    with TreeChanger(path) as changer:
        first = changer.sync(catalog)
        again = changer.sync(catalog)

    assert (3, 1, 10, 289) == (first.inserted, first.updated, first.deleted, first.unchanged)
    assert (0, 293, 0) == (again.changed, again.unchanged, again.refreshed)


def test_sync_with_nothing_is_refused(path):
    """An empty catalog, such as a failed export, does not empty a tree."""
    before = content(path)
    with TreeChanger(path) as changer, pytest.raises(TreeError, match="all 300 items"):
        changer.sync([])

    assert before == content(path)


def test_sync_does_not_overwrite_another_change(path):
    """If the tree changed while the catalog was read, sync is an error."""

    def catalog():
        yield from trees.items()[:10]
        with TreeChanger(path) as other:
            other.delete(["item-000"])

    with TreeChanger(path) as changer, pytest.raises(StoreError, match="another process"):
        changer.sync(catalog())
    with ItemTree.open(path) as tree:
        assert 299 == len(tree)


def test_every_batch_is_a_transaction(path):
    """Batches before an error stay committed, and the tree is sound."""
    with TreeChanger(path, batch=30) as changer:
        with pytest.raises(TreeError, match="already"):
            changer.insert([*NEW[:60], trees.items()[0]])

        assert 360 == len(changer.tree)
        assert [] == list(find_breaches(changer.tree))


def test_a_reader_keeps_reading_during_a_change(path):
    """An open tree shows the state before or after another writer's transaction."""
    with ItemTree.open(path) as reader, EditableTree.open(path) as writer:
        history = ["item-000", "item-006"]
        before = Recommender(reader).recommend(history, limit=3)
        with writer.transaction():
            writer.remove_items(list(writer.items_by_id(["item-012"]).values()))
            during = Recommender(reader).recommend(history, limit=3)

            assert [each.item.id for each in before.items] == [e.item.id for e in during.items]
            assert 1 == len(reader.items_by_id(["item-012"]))
        assert 0 == len(reader.items_by_id(["item-012"]))


def test_two_writers_exclude_each_other(path, monkeypatch):
    """The second writer gets an error and changes nothing; later it can write."""
    monkeypatch.setattr(files, "BUSY_SECONDS", 0.05)
    with TreeChanger(path) as first, TreeChanger(path) as second:
        with first.tree.transaction(), pytest.raises(StoreError, match="another process"):
            second.insert(NEW)
        second.insert(NEW)

        assert 380 == len(second.tree)


def test_a_full_disk_leaves_the_old_state(path):
    """A change that does not fit on the disk is rolled back with an error."""
    before = content(path)
    many = [Item(f"m{n}", f"Much {n} " * 30, "text " * 200) for n in range(400)]
    with TreeChanger(path) as changer:
        pages = changer.tree.rows("PRAGMA page_count")[0][0]
        changer.tree.rows(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreError, match=r"disk is full.*\n.*Nothing was changed") as caught:
            changer.insert(many)
        assert "free space" in str(caught.value)
        assert 300 == len(changer.tree)

    assert before == content(path)


FILLING = """
import resource, signal, sys
from unillmrec import TreeChanger
from unillmrec.errors import StoreError
from unillmrec.items import Item

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
most = 300_000
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
many = [Item(f"m{n}", f"Much {n} " * 30, "text " * 200) for n in range(2_000)]
with TreeChanger(sys.argv[1]) as changer:
    for change in (changer.insert, changer.upsert, changer.sync):
        try:
            change(many)
        except StoreError as error:
            print(error.problem, error.detail)
    print(len(changer.tree))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limits on files")
def test_a_file_size_limit_leaves_the_old_state(path):
    """If the system refuses to let a file grow, every change is an error without effect."""
    before = content(path)
    command = [sys.executable, "-c", FILLING, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PACKAGE, check=True)

    *errors, left = done.stdout.splitlines()
    assert 3 == len(errors)
    assert all("cannot be changed" in line and "Nothing was changed" in line for line in errors)
    assert "300" == left
    assert before == content(path)
    with TreeChanger(path) as changer:
        assert 80 == changer.insert(NEW).inserted
        assert [] == list(find_breaches(changer.tree))


@contextmanager
def as_nobody():
    """Run as a user without root's permissions."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(own)


def test_a_file_without_write_permission_is_refused(path):
    """If neither file nor folder is writable, the error says so and no file is left behind."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "kept.tree"
        shutil.copy(path, kept)
        kept.chmod(0o444)
        kept.parent.chmod(0o555)
        try:
            with (
                as_nobody(),
                pytest.raises(StoreError, match="cannot be changed"),
                TreeChanger(kept) as changer,
            ):
                changer.insert(NEW)
            assert [kept] == list(kept.parent.iterdir())
        finally:
            kept.parent.chmod(0o755)


def test_a_read_only_database_is_not_changed(path):
    """A change to a read-only database is a readable error."""
    before = content(path)
    with TreeChanger(path) as changer:
        changer.tree.rows("PRAGMA query_only = ON")
        with pytest.raises(StoreError, match="readonly"):
            changer.insert(NEW)

    assert before == content(path)


def test_foreign_and_damaged_files_are_left_alone(path, tmp_path):
    """A file that is no tree, or half of one, is a readable error."""
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    (tmp_path / "half.tree").write_bytes(path.read_bytes()[:50_000])
    (tmp_path / "text.tree").write_text("not a tree, but a long enough text" * 100)

    for name in ("other.db", "text.tree", "missing.tree"):
        with pytest.raises(StoreError):
            TreeChanger(tmp_path / name)
    with pytest.raises(StoreError), TreeChanger(tmp_path / "half.tree") as changer:
        changer.insert(NEW)


def test_half_a_surrogate_pair_is_refused(path):
    """A text with an unpaired surrogate cannot be stored, and the whole change is rolled back."""
    before = content(path)
    with TreeChanger(path) as changer, pytest.raises(StoreError, match="surrogate"):
        changer.insert([NEW[0], Item("odd", "half \ud800 a pair")])

    assert before == content(path)


@pytest.mark.parametrize(
    "share", [0.4, 0.95, *(pytest.param(share, marks=pytest.mark.slow) for share in (0.1, 0.7))]
)
def test_a_killed_change_leaves_a_sound_tree(path, share):
    """After a kill the tree is as before the change, or as after it."""
    program = (
        "import sys\n"
        "from unillmrec.updating.changer import TreeChanger\n"
        "from unillmrec.items import Item\n"
        "with TreeChanger(sys.argv[1]) as changer:\n"
        "    print('begun', flush=True)\n"
        "    changer.insert([Item(f'n{n}', f'The harbour {n}') for n in range(3000)])\n"
        "    changer.delete([f'n{n}' for n in range(3000)])\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PACKAGE)
    process.stdout.readline()
    time.sleep(2 * share)
    process.kill()
    process.wait()
    process.stdout.close()

    with ItemTree.open(path) as tree:
        assert len(tree) in (300, 3300)
        assert [] == list(find_breaches(tree))
