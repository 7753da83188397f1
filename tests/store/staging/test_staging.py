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
from unillmrec.store import ItemTree, Staging
from unillmrec.store.staging import staging as staging_module
from unillmrec.store.staging import working_file


def write_tree(path, word="old", count=60, *, overwrite=False):
    items = [Item(f"{word}-{n}", f"{word} title {n}", "filler " * 50) for n in range(count)]
    build(items, path, BuildOptions(workers=1, overwrite=overwrite))


def write_half_a_tree(path):
    with Staging(Path(path), overwrite=True) as staging:
        staging.db.execute("INSERT INTO fact VALUES ('items', '1')")
        assert staging.working_path.exists()
        raise ZeroDivisionError


def contents(path):
    """Return the number of items and the first title, after an integrity check."""
    with ItemTree.open(path) as tree:
        assert [("ok",)] == tree.rows("PRAGMA integrity_check")
        return len(tree), tree.rows("SELECT title FROM item WHERE number = 0")[0][0]


def names(folder="."):
    return sorted(path.name for path in Path(folder).iterdir())


def test_an_error_inside_leaves_nothing():
    """Neither the target nor the working file exists afterwards."""
    with pytest.raises(ZeroDivisionError):
        write_half_a_tree("shop.tree")

    assert [] == names()


def test_leaving_without_publishing_leaves_nothing():
    """Only `publish` creates the target."""
    with Staging(Path("shop.tree")):
        pass

    assert [] == names()


def test_an_error_inside_leaves_the_old_file_alone():
    """The target is replaced at the very end, or not at all."""
    write_tree("shop.tree")
    before = Path("shop.tree").read_bytes()

    with pytest.raises(ZeroDivisionError):
        write_half_a_tree("shop.tree")

    assert before == Path("shop.tree").read_bytes()
    assert ["shop.tree"] == names()


def test_a_reader_keeps_the_file_it_opened():
    """Publishing swaps the file in one step; an open reader keeps the old one."""
    write_tree("shop.tree", "old")
    with ItemTree.open("shop.tree") as reader:
        write_tree("shop.tree", "new", 30, overwrite=True)

        assert 60 == len(reader)
        assert "old title 7" == reader.items_by_number([7])[7].item.title
    assert (30, "new title 0") == contents("shop.tree")
    assert ["shop.tree"] == names()


def test_refuses_an_existing_file():
    """A file is replaced only with *overwrite*."""
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
def test_an_impossible_target_is_reported(path):
    """A missing folder, a path below a file, and a name that is too long give one sentence."""
    Path("file").touch()

    with pytest.raises(StoreError, match="cannot be written"):
        Staging(Path(path))

    assert ["file"] == names()


def test_a_full_disk_is_reported():
    """An SQLite error during writing becomes a `StoreError`, and leaves no file."""
    with pytest.raises(StoreError, match=r"cannot be written: database or disk is full") as caught:
        write_too_much("shop.tree")

    assert "Nothing was changed." == caught.value.detail
    assert [] == names()


def write_too_much(path):
    with Staging(Path(path)) as staging:
        staging.db.execute("PRAGMA max_page_count = 20")
        staging.db.execute("INSERT INTO fact VALUES ('x', ?)", ("x" * 500_000,))


def leave_behind(path, kind):
    """Create a tree in the middle of a change, as a killed process leaves it."""
    write_tree(path)
    db = sqlite3.connect(path, isolation_level=None)
    if kind == "-wal":
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("UPDATE item SET title = 'changed ' || title")
    else:
        db.execute("PRAGMA cache_size = 1")
        db.execute("BEGIN")
        db.execute("UPDATE item SET title = 'changed ' || title, text = text || text")
    Path("copies").mkdir()
    for file in Path().glob(f"{path}*"):
        shutil.copy(file, "copies")
    db.close()
    for copy in Path("copies").iterdir():
        copy.rename(copy.name)
    Path("copies").rmdir()
    assert Path(path + kind).stat().st_size > 0


@pytest.mark.parametrize("kind", ["-wal", "-journal"])
@pytest.mark.parametrize("old", ["whole", "damaged", "empty", "missing"])
def test_the_side_files_of_an_old_tree_are_not_inherited(kind, old):
    """A new tree has the built content, whatever a killed process left beside the old one."""
    leave_behind("shop.tree", kind)
    if old == "missing":
        Path("shop.tree").unlink()
    elif old == "empty":
        Path("shop.tree").write_bytes(b"")
    elif old == "damaged":
        Path("shop.tree").write_bytes(Path("shop.tree").read_bytes()[:100] + b"x" * 5_000)

    write_tree("shop.tree", "new", 30, overwrite=True)

    assert (30, "new title 0") == contents("shop.tree")
    assert ["shop.tree"] == names()


def leave_half_files(folder):
    """Create working files: an old and a young one of an ended process, and one of a running one.

    The fourth belongs to another tree.
    """
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    old = folder / f".shop.tree.{ended.pid}.0a0a0a.building"
    young = folder / f".shop.tree.{ended.pid}.9b9b9b.building"
    living = folder / f".shop.tree.{os.getppid()}.building"
    other = folder / f".shop.tree.old.{ended.pid}.0a0a0a.building"
    for path in (old, young, living, other):
        path.write_bytes(b"half")
    for path in (old, living):
        os.utime(path, (0, 0))
    return old, young, living, other


def test_files_of_killed_builds_are_removed_by_the_next(tmp_path):
    """Working files of the same tree are removed at once if no process holds their lock."""
    left = leave_half_files(tmp_path)

    with Staging(tmp_path / "shop.tree"):
        pass

    assert [False, False, False, True] == [path.exists() for path in left]


def test_without_locks_only_old_files_of_ended_processes_are_removed(tmp_path, monkeypatch):
    """A young file may belong to another machine, and a running process may be using it."""
    monkeypatch.setattr(working_file, "_lock", lambda handle: None)
    left = leave_half_files(tmp_path)

    with Staging(tmp_path / "shop.tree"):
        pass

    assert [False, True, True, True] == [path.exists() for path in left]


def test_a_running_build_is_not_disturbed_by_another(tmp_path):
    """Two builds of one tree do not remove each other's files; the second to finish is refused."""
    path = tmp_path / "shop.tree"
    with Staging(path) as first, Staging(path) as second:
        assert first.working_path.exists()
        first.publish()
        with pytest.raises(StoreError, match="exists already"):
            second.publish()

    assert ["shop.tree"] == names(tmp_path)


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_two_builds_race_for_a_name_and_one_wins(tmp_path, monkeypatch, links):
    """Both found the name free a moment ago, but neither replaces the file of the other."""
    path = tmp_path / "shop.tree"
    if not links:
        monkeypatch.setattr("os.link", no_links)
    with Staging(path) as staging:
        # The file appears after the last check.
        monkeypatch.setattr(
            staging_module, "_remove_side_files", lambda target: target.write_text("theirs")
        )
        with pytest.raises(StoreError, match="exists already"):
            staging.publish()

    assert "theirs" == path.read_text()
    assert ["shop.tree"] == names(tmp_path)


def no_links(source, target):
    raise PermissionError(1, "Operation not permitted")


def test_a_file_system_without_links_works(monkeypatch):
    """The finished file is renamed instead."""
    monkeypatch.setattr("os.link", no_links)

    write_tree("shop.tree", count=3)

    assert (3, "old title 0") == contents("shop.tree")
    assert ["shop.tree"] == names()


def test_a_link_is_followed(tmp_path):
    """The target of a symbolic link is written, and the link stays a link."""
    (tmp_path / "far").mkdir()
    Path("shop.tree").symlink_to("far/real.tree")

    write_tree("shop.tree", "old", 3)
    write_tree("shop.tree", "new", 4, overwrite=True)

    assert Path("shop.tree").is_symlink()
    assert (4, "new title 0") == contents("far/real.tree")
    assert ["real.tree"] == names("far")


@pytest.mark.parametrize("overwrite", [False, True])
def test_special_files_are_refused(overwrite):
    """A pipe is not opened, which would block for ever, and it is not replaced."""
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")

    for name in ("pipe", "link"):
        with pytest.raises(StoreError, match=f"{name} is a pipe, a device or a socket"):
            Staging(Path(name), overwrite=overwrite)

    assert ["link", "pipe"] == names()


@pytest.mark.parametrize("content", ["id,title\na,A\n", "SQLite format 3\0" + "x" * 5_000])
def test_only_a_tree_is_overwritten(content):
    """A catalog or a foreign database is not replaced even with --overwrite."""
    Path("shop.csv").write_text(content)

    with pytest.raises(StoreError) as caught:
        Staging(Path("shop.csv"), overwrite=True)

    assert "shop.csv is not a tree, and --overwrite replaces only trees." == caught.value.problem
    assert content == Path("shop.csv").read_text()
    assert ["shop.csv"] == names()


@pytest.mark.parametrize("name", [".", "/", "..", ""])
def test_a_path_without_a_name_is_a_folder(name):
    """It is refused like any other folder."""
    with pytest.raises(StoreError, match="is a folder"):
        Staging(Path(name))


@pytest.mark.parametrize("before", [True, False])
def test_a_failed_publish_reports_the_old_file(before, monkeypatch):
    """The error says that it is unchanged, if there was one."""
    if before:
        write_tree("shop.tree")

    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Staging, "_replace_target", full)
    with pytest.raises(StoreError) as caught:
        write_tree("shop.tree", overwrite=True)

    assert before == (caught.value.detail == "The file that was there before is unchanged.")
    assert (["shop.tree"] if before else []) == names()


def test_a_file_that_appeared_during_the_build_is_not_replaced(tmp_path):
    """Without *overwrite*, a file of another process stays."""
    path = tmp_path / "shop.tree"
    with Staging(path) as staging:
        path.write_text("theirs")
        with pytest.raises(StoreError, match="exists already"):
            staging.publish()

    assert "theirs" == path.read_text()
