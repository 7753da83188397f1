import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from unillmrec.building import BuildOptions, build
from unillmrec.errors import StoreError
from unillmrec.items import Item
from unillmrec.store import ItemTree, Staging, files
from unillmrec.store.files import connect_to_read
from unillmrec.store.migrations import APPLICATION_ID, LAYOUT


def write_tree(path, word="old", count=60, *, overwrite=False):
    items = [Item(f"{word}-{n}", f"{word} title {n}", "filler " * 50) for n in range(count)]
    build(items, path, BuildOptions(workers=1, overwrite=overwrite))


def write_half_a_tree(path):
    with Staging(Path(path), overwrite=True) as staging:
        staging.db.execute("INSERT INTO fact VALUES ('items', '1')")
        assert staging.beside.exists()
        raise ZeroDivisionError


def contents(path):
    """Return what a tree file holds, once SQLite has found it whole."""
    with ItemTree.open(path) as tree:
        assert [("ok",)] == tree.rows("PRAGMA integrity_check")
        return len(tree), tree.rows("SELECT title FROM item WHERE number = 0")[0][0]


def names(folder="."):
    return sorted(path.name for path in Path(folder).iterdir())


def test_an_error_inside_leaves_nothing():
    """Neither the file nor what was written beside it is there afterwards."""
    with pytest.raises(ZeroDivisionError):
        write_half_a_tree("shop.tree")

    assert [] == names()


def test_leaving_without_publishing_leaves_nothing():
    """Only `publish` puts a file in place."""
    with Staging(Path("shop.tree")):
        pass

    assert [] == names()


def test_an_error_inside_leaves_the_old_file_alone():
    """Overwriting replaces at the very end, or not at all."""
    write_tree("shop.tree")
    before = Path("shop.tree").read_bytes()

    with pytest.raises(ZeroDivisionError):
        write_half_a_tree("shop.tree")

    assert before == Path("shop.tree").read_bytes()
    assert ["shop.tree"] == names()


def test_a_reader_keeps_the_file_it_opened():
    """Publishing swaps the name in one step; who reads the old file reads on in it."""
    write_tree("shop.tree", "old")
    with ItemTree.open("shop.tree") as reader:
        write_tree("shop.tree", "new", 30, overwrite=True)

        assert 60 == len(reader)
        assert "old title 7" == reader.items_by_number([7])[7].item.title
    assert (30, "new title 0") == contents("shop.tree")
    assert ["shop.tree"] == names()


def test_refuses_an_existing_file():
    """Nothing is replaced that was not meant to be."""
    write_tree("shop.tree")

    with pytest.raises(StoreError) as caught:
        Staging(Path("shop.tree"))

    expected = (
        "shop.tree exists already.\n  Nothing was changed.\n  Try: another name, or --overwrite."
    )
    assert expected == str(caught.value)
    assert ["shop.tree"] == names()


def test_refuses_a_folder():
    """Not even with permission to overwrite."""
    Path("shop").mkdir()

    with pytest.raises(StoreError, match=r"shop is a folder\.\n  Try: name a file"):
        Staging(Path("shop"), overwrite=True)


@pytest.mark.parametrize(
    "path", ["nowhere/shop.tree", "file/shop.tree", "s" * 300, "s" * 250], ids=lambda path: path[:9]
)
def test_a_place_that_cannot_be_written_is_said(path):
    """A missing folder, a path below a file, and a name too long end in one sentence."""
    Path("file").touch()

    with pytest.raises(StoreError, match="cannot be written"):
        Staging(Path(path))

    assert ["file"] == names()


def test_a_full_disk_is_said():
    """What SQLite reports while a tree is being written is an error of ours, and leaves nothing."""
    with pytest.raises(StoreError, match=r"cannot be written: database or disk is full") as caught:
        write_too_much("shop.tree")

    assert "Nothing was changed." == caught.value.detail
    assert [] == names()


def write_too_much(path):
    with Staging(Path(path)) as staging:
        staging.db.execute("PRAGMA max_page_count = 20")
        staging.db.execute("INSERT INTO fact VALUES ('x', ?)", ("x" * 500_000,))


def leave_behind(path, kind):
    """Make *path* a tree in the middle of a change, as a killed process leaves it."""
    write_tree(path)
    db = sqlite3.connect(path, isolation_level=None)
    if kind == "-wal":
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("UPDATE item SET title = 'changed ' || title")
    else:
        db.execute("PRAGMA cache_size = 1")
        db.execute("BEGIN")
        db.execute("UPDATE item SET title = 'changed ' || title, text = text || text")
    Path("kept").mkdir()
    for left in Path().glob(f"{path}*"):
        shutil.copy(left, "kept")
    db.close()
    for left in Path("kept").iterdir():
        left.rename(left.name)
    Path("kept").rmdir()
    assert Path(path + kind).stat().st_size > 0


@pytest.mark.parametrize("kind", ["-wal", "-journal"])
@pytest.mark.parametrize("old", ["whole", "damaged", "empty", "gone"])
def test_the_side_files_of_an_old_tree_are_not_inherited(kind, old):
    """A new tree is what was built, whatever a killed process left beside the one before."""
    leave_behind("shop.tree", kind)
    if old == "gone":
        Path("shop.tree").unlink()
    elif old == "empty":
        Path("shop.tree").write_bytes(b"")
    elif old == "damaged":
        Path("shop.tree").write_bytes(Path("shop.tree").read_bytes()[:100] + b"x" * 5_000)

    write_tree("shop.tree", "new", 30, overwrite=True)

    assert (30, "new title 0") == contents("shop.tree")
    assert ["shop.tree"] == names()


def changed_copy(pragma, number):
    write_tree("shop.tree", count=1)
    db = sqlite3.connect("shop.tree")
    db.execute(f"PRAGMA {pragma} = {number}")
    db.close()


def test_a_newer_layout_is_refused():
    """A file this program does not know is named by its layout, with the way out."""
    changed_copy("user_version", LAYOUT + 1)

    with pytest.raises(StoreError) as caught:
        connect_to_read(Path("shop.tree"))

    expected = (
        f"shop.tree was written by a newer unillmrec (layout m{LAYOUT + 1:03}; "
        f"this one knows m{LAYOUT:03}).\n  Try: pip install --upgrade unillmrec"
    )
    assert expected == str(caught.value)


def test_a_foreign_sqlite_file_is_refused():
    """Another program's file is not read as a tree."""
    changed_copy("application_id", APPLICATION_ID + 1)

    with pytest.raises(StoreError, match="is a SQLite file, but not one of unillmrec"):
        ItemTree.open("shop.tree")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (b"", "shop.tree is empty."),
        (b"hello " * 1000, "shop.tree is not a tree file, or it is damaged"),
        (b"SQLite format 3\x00" + b"x" * 5000, "shop.tree is not a tree file, or it is damaged"),
    ],
)
def test_what_is_no_tree_file_is_refused(made, expected):
    """Nothing of it is read, and the error says what to do."""
    Path("shop.tree").write_bytes(made)

    with pytest.raises(StoreError, match=expected) as caught:
        ItemTree.open("shop.tree")

    assert caught.value.remedy


@pytest.mark.parametrize("length", [100, 4_096, 10_000])
def test_a_cut_file_is_refused(length):
    """A copy that was interrupted is damaged, and said to be."""
    write_tree("shop.tree")
    whole = Path("shop.tree").read_bytes()
    Path("shop.tree").write_bytes(whole[:length])

    with pytest.raises(StoreError, match="damaged"):
        ItemTree.open("shop.tree")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("missing.tree", "missing.tree does not exist"),
        ("folder", "folder is a folder"),
        ("file/below", "file/below does not exist"),
        ("s" * 300, "cannot be opened: .*name too long"),
    ],
)
def test_a_missing_file_is_said(path, expected):
    """So is a folder in its place, and nothing is made there."""
    Path("folder").mkdir()
    Path("file").touch()

    with pytest.raises(StoreError, match=expected):
        ItemTree.open(path)

    assert ["file", "folder"] == names()


@pytest.mark.parametrize("name", ["a b.tree", "odd#name?x=1%20.tree", "δέντρο.tree", ".tree"])
def test_any_file_name_will_do(name):
    """Names that mean something in an address are only names here."""
    write_tree(name, count=3)

    assert (3, "old title 0") == contents(name)
    assert [name] == names()


def test_reading_changes_nothing():
    """A reader leaves the file and the folder as they were."""
    write_tree("shop.tree")
    before = (Path("shop.tree").read_bytes(), os.stat("shop.tree").st_mtime_ns)

    with ItemTree.open("shop.tree") as tree:
        tree.children(1)
        with pytest.raises(StoreError, match="readonly"):
            tree.rows("DELETE FROM item")

    assert before == (Path("shop.tree").read_bytes(), os.stat("shop.tree").st_mtime_ns)
    assert ["shop.tree"] == names()


def leave_half_files(folder):
    """Leave files as of killed builds: of a process gone for hours, for seconds, and a living one.

    Another one is not of this tree.
    """
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    old = folder / f".shop.tree.{gone.pid}.0a0a0a.building"
    young = folder / f".shop.tree.{gone.pid}.9b9b9b.building"
    living = folder / f".shop.tree.{os.getppid()}.building"
    other = folder / f".shop.tree.old.{gone.pid}.0a0a0a.building"
    for path in (old, young, living, other):
        path.write_bytes(b"half")
    for path in (old, living):
        os.utime(path, (0, 0))
    return old, young, living, other


def test_what_a_killed_build_left_is_swept_by_the_next(tmp_path):
    """Half-written files of the same tree go at once, if nobody holds their lock."""
    left = leave_half_files(tmp_path)

    with Staging(tmp_path / "shop.tree"):
        pass

    assert [False, False, False, True] == [path.exists() for path in left]


def test_without_locks_only_old_files_of_dead_processes_are_swept(tmp_path, monkeypatch):
    """A young file may belong to another machine, and a living process may be at it."""
    monkeypatch.setattr(files, "_lock", lambda handle: None)
    left = leave_half_files(tmp_path)

    with Staging(tmp_path / "shop.tree"):
        pass

    assert [False, True, True, True] == [path.exists() for path in left]


def test_a_running_build_is_not_swept_by_another(tmp_path):
    """Two builds of one tree do not take each other's files away; the second to end is refused."""
    path = tmp_path / "shop.tree"
    with Staging(path) as first, Staging(path) as second:
        assert first.beside.exists()
        first.publish()
        with pytest.raises(StoreError, match="exists already"):
            second.publish()

    assert ["shop.tree"] == names(tmp_path)


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_two_builds_race_for_a_name_and_one_wins(tmp_path, monkeypatch, links):
    """Though both found nothing there a moment ago, neither replaces what the other put there."""
    path = tmp_path / "shop.tree"
    if not links:
        monkeypatch.setattr("os.link", no_links)
    with Staging(path) as staging:
        # The file appears after the last look.
        monkeypatch.setattr(files, "_release", lambda target: target.write_text("theirs"))
        with pytest.raises(StoreError, match="exists already"):
            staging.publish()

    assert "theirs" == path.read_text()
    assert ["shop.tree"] == names(tmp_path)


def no_links(source, target):
    raise PermissionError(1, "Operation not permitted")


def test_a_file_system_without_links_will_do(monkeypatch):
    """There the finished file is moved to its place."""
    monkeypatch.setattr("os.link", no_links)

    write_tree("shop.tree", count=3)

    assert (3, "old title 0") == contents("shop.tree")
    assert ["shop.tree"] == names()


def test_a_link_is_followed(tmp_path):
    """The file that a link leads to is written, and the link stays one."""
    (tmp_path / "far").mkdir()
    Path("shop.tree").symlink_to("far/real.tree")

    write_tree("shop.tree", "old", 3)
    write_tree("shop.tree", "new", 4, overwrite=True)

    assert Path("shop.tree").is_symlink()
    assert (4, "new title 0") == contents("far/real.tree")
    assert ["real.tree"] == names("far")


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_regular_file_is_refused(overwrite):
    """A pipe is not opened, which would wait for ever, and stays where it is."""
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")

    for name in ("pipe", "link"):
        with pytest.raises(StoreError, match=f"{name} is a pipe, a device or a socket"):
            Staging(Path(name), overwrite=overwrite)

    assert ["link", "pipe"] == names()


@pytest.mark.parametrize("content", ["id,title\na,A\n", "SQLite format 3\0" + "x" * 5_000])
def test_only_a_tree_is_overwritten(content):
    """A catalog, or a database of somebody else, is not replaced even with --overwrite."""
    Path("shop.csv").write_text(content)

    with pytest.raises(StoreError) as caught:
        Staging(Path("shop.csv"), overwrite=True)

    assert "shop.csv is not a tree, and --overwrite replaces only trees." == caught.value.problem
    assert content == Path("shop.csv").read_text()
    assert ["shop.csv"] == names()


@pytest.mark.parametrize("name", [".", "/", "..", ""])
def test_a_path_without_a_name_is_a_folder(name):
    """It is said like any other folder."""
    with pytest.raises(StoreError, match="is a folder"):
        Staging(Path(name))


@pytest.mark.parametrize("before", [True, False])
def test_a_failure_at_the_end_says_what_became_of_the_old_file(before, monkeypatch):
    """Only where there was one it is said to be unchanged."""
    if before:
        write_tree("shop.tree")

    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Staging, "_put", full)
    with pytest.raises(StoreError) as caught:
        write_tree("shop.tree", overwrite=True)

    assert before == (caught.value.detail == "The file that was there before is unchanged.")
    assert (["shop.tree"] if before else []) == names()


def test_a_file_that_appeared_during_the_build_is_not_replaced(tmp_path):
    """Without leave to overwrite, what somebody else put there stays."""
    path = tmp_path / "shop.tree"
    with Staging(path) as staging:
        path.write_text("theirs")
        with pytest.raises(StoreError, match="exists already"):
            staging.publish()

    assert "theirs" == path.read_text()
