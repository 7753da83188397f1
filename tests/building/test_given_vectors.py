import errno
import gc
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from unillmrec.building import BuildOptions, build
from unillmrec.building import given_vectors as given
from unillmrec.building.given_vectors import EmbeddedVectors, VectorFile, embedded_text
from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.store import ItemTree

ITEMS = [Item(str(number), f"Title {number}") for number in range(60)]


def saved(array, name="v.npy"):
    np.save(name, array)
    return Path(name)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_a_file_of_vectors_becomes_the_tree(kind):
    """Rows of any float type are stored with length one, and similar rows share a leaf."""
    rows = np.random.default_rng(0).normal(size=(60, 5))
    rows[:30, 0] += 9
    rows[30:, 1] += 9
    path = saved(rows.astype(kind))

    build(ITEMS, "t.tree", BuildOptions(given=VectorFile(path), workers=1))

    with ItemTree.open("t.tree") as tree:
        assert not tree.sparse
        for number, vector in enumerate(tree.item_vectors(range(60))):
            unit = rows[number] / np.linalg.norm(rows[number])
            assert unit == pytest.approx(vector.weights, abs=2e-3)
        homes = {
            frozenset(each.number // 30 for each in tree.items_in([leaf.id]))
            for leaf in tree.children(1)
        }
        assert {frozenset({0}), frozenset({1})} == homes
        (root,) = tree.node_vectors([1])
        units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        assert units.sum(0) == pytest.approx(root.weights, abs=0.1)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (np.ones((59, 4)), "v.npy has 59 vectors, the catalog 60 items"),
        (np.ones((61, 4)), "v.npy has 61 vectors, the catalog 60 items"),
        (np.where(np.arange(240).reshape(60, 4) == 9, np.nan, 1), "v.npy: row 2 holds a value"),
        (np.where(np.arange(240).reshape(60, 4) == 9, np.inf, 1), "v.npy: row 2 holds a value"),
        (np.full((60, 4), 1e300), "v.npy: row 0 holds a value"),
        (np.full((60, 4), 1e30, np.float32), "v.npy: row 0 holds a value"),
    ],
    ids=["too few", "too many", "not a number", "infinite", "beyond float32", "squared beyond"],
)
def test_vectors_that_do_not_fit_are_refused(rows, expected):
    """The error names the file and the row, and nothing is written."""
    vectors = VectorFile(saved(rows))

    with pytest.raises(TreeError, match=expected) as caught:
        build(ITEMS, "t.tree", BuildOptions(given=vectors))

    assert "Nothing was written." == caught.value.detail
    assert ["v.npy"] == [path.name for path in Path().iterdir()]


def write_pickle(path):
    np.save(path, np.array([{}], object), allow_pickle=True)


def write_several(path):
    with path.open("wb") as file:
        np.savez(file, one=np.ones((2, 2)), other=np.ones((2, 2)))


def write_truncated(path):
    np.save(path, np.ones((60, 4)))
    path.write_bytes(path.read_bytes()[:-8])


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda path: None, "cannot be read as vectors: there is no such file"),
        (lambda path: path.mkdir(), "cannot be read as vectors: this is a folder"),
        (lambda path: path.touch(), "cannot be read as vectors: it is empty"),
        (lambda path: path.write_bytes(b"\x93NUMPY and so on"), "it is damaged or incomplete"),
        (lambda path: path.write_bytes(b"PK\3\4 and so on"), "it is damaged or incomplete"),
        (lambda path: path.write_text("1,2\n3,4\n"), "vectors: it is not a NumPy file"),
        (write_pickle, "vectors: it holds Python objects, not numbers"),
        (write_truncated, "vectors: it is damaged or incomplete"),
        (write_several, "holds several arrays"),
        (lambda path: np.save(path, np.ones((60, 4), int)), "an array of int64 with 2 dimensions"),
        (lambda path: np.save(path, np.ones(60)), "an array of float64 with 1 dimensions"),
        (lambda path: np.save(path, np.ones((60, 2, 2))), "of float64 with 3 dimensions"),
    ],
)
def test_a_file_without_vectors_is_refused(write, expected):
    """The error names the file and how to write one; nothing in the file is executed."""
    path = Path("v.npy")
    write(path)

    with pytest.raises(TreeError, match=expected) as caught:
        VectorFile(path)

    assert caught.value.problem.startswith("v.npy ")
    assert "numpy.save()" in caught.value.remedy or "two-dimensional" in caught.value.remedy


def test_vectors_without_weight_make_a_tree():
    """Items whose vectors are all zero are split evenly."""
    report = build(ITEMS, "t.tree", BuildOptions(given=VectorFile(saved(np.zeros((60, 4))))))

    assert 60 == report.items
    assert report.largest_leaf <= 50


def test_items_are_embedded_in_batches(monkeypatch):
    """Texts are sent in batches, in catalog order."""
    monkeypatch.setattr(given, "EMBED_BATCH", 25)
    batches = []

    def embed(texts):
        batches.append(len(texts))
        return [[float(text.split()[-1]), 1.0] for text in texts]

    vectors = EmbeddedVectors("tiny-embed", embed)
    build(ITEMS, "t.tree", BuildOptions(given=vectors))

    assert [25, 25, 10] == batches
    with ItemTree.open("t.tree") as tree:
        (vector,) = tree.item_vectors([3])
        assert [3 / 10**0.5, 1 / 10**0.5] == pytest.approx(vector.weights.tolist(), abs=1e-3)
        assert "tiny-embed" == tree.facts["embedded_by"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda texts: [[1.0]] * (len(texts) - 1), "'m' gave 59 vectors of lengths .1. for 60"),
        (lambda texts: [], "'m' gave 0 vectors"),
        (lambda texts: [[]] * len(texts), r"'m' gave 60 vectors of lengths \[0\]"),
        (lambda texts: [[1.0], *[[1.0, 2.0]] * (len(texts) - 1)], r"of lengths \[1, 2\]"),
        (lambda texts: [[float("nan")]] * len(texts), "'m': row 0 holds a value"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(answer, expected):
    """Wrong answers of a server are noticed before anything is written."""
    with pytest.raises(TreeError, match=expected):
        build(ITEMS, "t.tree", BuildOptions(given=EmbeddedVectors("m", answer)))

    assert [] == list(Path().iterdir())


def test_vectors_of_different_lengths_are_refused(monkeypatch):
    """A server may change its model between batches."""
    monkeypatch.setattr(given, "EMBED_BATCH", 50)
    vectors = EmbeddedVectors("m", lambda texts: [[1.0] * len(texts)] * len(texts))

    with pytest.raises(TreeError, match=r"60 vectors for 60 items, lengths \[10, 50\]"):
        build(ITEMS, "t.tree", BuildOptions(given=vectors))


def test_the_text_that_is_embedded_of_an_item():
    """Title, path, names, tags and text, up to the length that an embedding model reads."""
    attributes = {"tags": ("slow", "blue"), "year": 1999, "maker": "Ann"}
    item = Item("a", "Title", "Text", ("Films", "Drama"), attributes)

    assert "Title. Films Drama. slow blue. Ann. Text" == embedded_text(item)
    assert "Title" == embedded_text(Item("a", "Title"))
    assert 2_000 == len(embedded_text(Item("a", "Title", "word " * 9_999)))


def test_many_vectors_are_held_in_a_temporary_file(monkeypatch):
    """Processes can share it; its rows are the same, and it is removed after use."""
    rows = np.random.default_rng(1).normal(size=(60, 5))
    small = VectorFile(saved(rows)).for_items(60)
    Path("kept").mkdir()
    monkeypatch.setattr(given.tempfile, "tempdir", "kept")
    monkeypatch.setattr(given, "MIN_VALUES_IN_A_FILE", 100)
    monkeypatch.setattr(given, "ROWS_AT_ONCE", 7)

    shared = VectorFile(saved(rows)).for_items(60)

    assert small.tolist() == shared.tolist()
    assert 1 == len(list(Path("kept").iterdir()))
    del shared
    assert [] == list(Path("kept").iterdir())


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="files cannot be given room")
def test_a_full_disk_is_an_error_before_anything_is_mapped(monkeypatch, tmp_path):
    """Writing to a mapped page that the disk has no room for would kill the process."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(given, "MIN_VALUES_IN_A_FILE", 100)
    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    np.save("v.npy", np.ones((60, 4), np.float32))

    with pytest.raises(TreeError, match=r"no room for 60 vectors .* No space left on device"):
        VectorFile(Path("v.npy")).for_items(60)

    gc.collect()
    assert [] == list(tmp_path.glob("unillmrec-*"))
