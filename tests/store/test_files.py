import os
import sqlite3
from pathlib import Path

import pytest

from unillmrec.building import BuildOptions, build
from unillmrec.errors import StoreError
from unillmrec.items import Item
from unillmrec.store import ItemTree
from unillmrec.store.files import connect_to_read
from unillmrec.store.migrations import TREE_FILE


def write_tree(path, word="old", count=60, *, overwrite=False):
    items = [Item(f"{word}-{n}", f"{word} title {n}", "filler " * 50) for n in range(count)]
    build(items, path, BuildOptions(workers=1, overwrite=overwrite))


def contents(path):
    """Return the number of items and the first title, after an integrity check."""
    with ItemTree.open(path) as tree:
        assert [("ok",)] == tree.rows("PRAGMA integrity_check")
        return len(tree), tree.rows("SELECT title FROM item WHERE number = 0")[0][0]


def names(folder="."):
    return sorted(path.name for path in Path(folder).iterdir())


def changed_copy(pragma, number):
    write_tree("shop.tree", count=1)
    db = sqlite3.connect("shop.tree")
    db.execute(f"PRAGMA {pragma} = {number}")
    db.close()


def test_a_newer_layout_is_refused():
    """The error names the layouts and how to upgrade."""
    changed_copy("user_version", TREE_FILE.layout + 1)

    with pytest.raises(StoreError) as caught:
        connect_to_read(Path("shop.tree"))

    expected = (
        f"shop.tree was written by a newer unillmrec (layout m{TREE_FILE.layout + 1:03}; "
        f"this one knows m{TREE_FILE.layout:03}).\n  Try: pip install --upgrade unillmrec"
    )
    assert expected == str(caught.value)


def test_a_foreign_sqlite_file_is_refused():
    """The file of another program is not read as a tree."""
    changed_copy("application_id", TREE_FILE.application_id + 1)

    with pytest.raises(StoreError, match="is a SQLite file of another program"):
        ItemTree.open("shop.tree")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "shop.tree is empty."),
        (b"hello " * 1000, "shop.tree is not a tree file, or it is damaged"),
        (b"SQLite format 3\x00" + b"x" * 5000, "shop.tree is not a tree file, or it is damaged"),
    ],
)
def test_other_files_are_refused(content, expected):
    """The error says what to do."""
    Path("shop.tree").write_bytes(content)

    with pytest.raises(StoreError, match=expected) as caught:
        ItemTree.open("shop.tree")

    assert caught.value.remedy


@pytest.mark.parametrize("length", [100, 4_096, 10_000])
def test_a_truncated_file_is_refused(length):
    """An interrupted copy is reported as damaged."""
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
def test_a_missing_file_is_reported(path, expected):
    """So is a folder, and nothing is created."""
    Path("folder").mkdir()
    Path("file").touch()

    with pytest.raises(StoreError, match=expected):
        ItemTree.open(path)

    assert ["file", "folder"] == names()


@pytest.mark.parametrize("name", ["a b.tree", "odd#name?x=1%20.tree", "δέντρο.tree", ".tree"])
def test_any_file_name_works(name):
    """Characters with a meaning in URIs are plain characters in file names."""
    write_tree(name, count=3)

    assert (3, "old title 0") == contents(name)
    assert [name] == names()


def test_reading_changes_nothing():
    """A reader does not change the file or its folder."""
    write_tree("shop.tree")
    before = (Path("shop.tree").read_bytes(), os.stat("shop.tree").st_mtime_ns)

    with ItemTree.open("shop.tree") as tree:
        tree.children(1)
        with pytest.raises(StoreError, match="readonly"):
            tree.rows("DELETE FROM item")

    assert before == (Path("shop.tree").read_bytes(), os.stat("shop.tree").st_mtime_ns)
    assert ["shop.tree"] == names()
