import shutil

import pytest

from tests import trees
from unillmrec.store import EditableTree
from unillmrec.store.invariants import find_breaches


@pytest.fixture
def tree(tmp_path_factory, tmp_path):
    """A tree of three hundred items that may be broken."""
    built = tmp_path_factory.getbasetemp() / "trees"
    built.mkdir(exist_ok=True)
    trees.tree(built).close()
    shutil.copy(built / "words.tree", tmp_path / "a.tree")
    with EditableTree.open(tmp_path / "a.tree") as tree:
        yield tree


def test_a_new_tree_has_no_breaches(tree):
    """Nothing is reported about a consistent tree."""
    assert [] == list(find_breaches(tree))


LEAF = "(SELECT min(id) FROM node WHERE leaf)"
BRANCH = "(SELECT max(id) FROM node WHERE NOT leaf)"


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("DELETE FROM item WHERE number = 3", "the tree says it has 300 items and has 299"),
        (f"UPDATE node SET parent = 9999 WHERE id = {LEAF}", "does not descend from the root"),
        (f"UPDATE node SET parent = id WHERE id = {BRANCH}", "does not descend from the root"),
        (f"UPDATE node SET depth = 9 WHERE id = {LEAF}", "and says 9"),
        (f"UPDATE node SET parent = {LEAF} WHERE id = (SELECT max(id) FROM node)", "has 1 child"),
        (
            f"DELETE FROM node WHERE parent = {BRANCH}",
            "0 children; it should have been removed",
        ),
        ("UPDATE node SET parent = 1, depth = 1 WHERE id != 1", "are allowed"),
        (f"UPDATE node SET size = 7 WHERE id = {LEAF}", "items and says 7"),
        (f"UPDATE item SET leaf = {LEAF}", "12 are allowed"),
        (f"UPDATE item SET leaf = {BRANCH} WHERE number = 3", "1 items are in"),
        (
            "UPDATE item SET leaf = NULL WHERE number = 3",
            "items are in None, which is not a leaf",
        ),
        ("DELETE FROM item_vector WHERE item = 3", "1 items without a vector: 3"),
        ("INSERT INTO item_vector VALUES (999, x'')", "1 vectors without an item: 999"),
        ("DELETE FROM node_sum", "nodes without a sum: 1, 2, 3, 4, 5, …"),
        ("UPDATE term SET used_by = -1 WHERE id = 4", "1 terms with a negative count: 4"),
        ("DELETE FROM attribute_block WHERE place = 0", "300 items in another leaf"),
        (
            f"UPDATE item SET leaf = {LEAF} WHERE number = (SELECT max(number) FROM item"
            f" WHERE leaf != {LEAF})",
            "1 items in another leaf",
        ),
    ],
)
def test_reports_each_breach(tree, statement, sentence):
    """Every broken invariant gives a sentence."""
    tree.rows(statement)

    assert [each for each in find_breaches(tree) if sentence in each]
