import shutil

import pytest

from tests import trees
from unillmrec.errors import StoreError
from unillmrec.items import Item
from unillmrec.store import EditableTree, ItemTree, PlacedItem
from unillmrec.store.columns.selection import Selection


@pytest.fixture
def tree(tmp_path_factory, tmp_path):
    """A tree of three hundred items, opened to be changed."""
    built = tmp_path_factory.getbasetemp() / "trees"
    built.mkdir(exist_ok=True)
    trees.tree(built).close()
    shutil.copy(built / "words.tree", tmp_path / "a.tree")
    with EditableTree.open(tmp_path / "a.tree") as tree:
        yield tree


def test_a_transaction_is_all_or_nothing(tree):
    """An error rolls back rows, facts and columns."""
    placed = tree.items_by_id(["item-001"])["item-001"]

    def fail_midway():
        with tree.transaction():
            tree.facts["items"] = 1
            tree.take_numbers("node", 5)
            tree.remove_items([placed])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_midway()

    assert 300 == len(tree)
    assert tree.items_by_id(["item-001"])
    assert 300 == Selection.of(tree, "year > 0").total


def test_numbers_are_never_reused(tree):
    """New nodes continue the numbering, in later transactions too."""
    with tree.transaction():
        first = tree.take_numbers("node", 3)
    with tree.transaction():
        second = tree.take_numbers("node", 2)

    assert list(range(first.start, first.start + 5)) == [*first, *second]
    assert not set(first) & {node for node, _ in tree.subtree(1)}


def test_columns_follow_item_changes(tree):
    """Items that are added, moved or removed are so in the columns too."""
    leaf, other = [node for node, is_leaf in tree.subtree(1) if is_leaf][:2]
    item = Item("x", "X", attributes={"year": 3000, "colour": "red"})
    with tree.transaction():
        tree.put_items([PlacedItem(900, item, leaf)])
    added = Selection.of(tree, "year = 3000 and colour = 'red'")
    with tree.transaction():
        tree.move_items([(other, 900)])
    moved = Selection.of(tree, "year = 3000")
    with tree.transaction():
        tree.remove_items([PlacedItem(900, item, other)])

    assert (1, 1, 0) == (added.total, added.count(leaf), moved.count(leaf))
    assert 1 == moved.count(other)
    assert 0 == Selection.of(tree, "year = 3000").total


def test_finds_ancestors_and_descendants(tree):
    """A node is returned with its ancestors, and first in its subtree."""
    leaf = max((node for node, is_leaf in tree.subtree(1) if is_leaf))
    path = [node.id for node in tree.ancestors(leaf)]

    assert {1, *path} == set(tree.states_with_ancestors([leaf]))
    assert (1, False) == tree.subtree(1)[0]
    assert [(leaf, True)] == tree.subtree(leaf)
    assert len(tree.rows("SELECT 1 FROM node")) == len(tree.subtree(1))


def test_moving_a_subtree_corrects_depths(tree):
    """Moving a branch changes the depth of all its descendants."""
    branch = max(node for node, is_leaf in tree.subtree(1) if not is_leaf)
    before = {node: state.depth for node, state in tree.node_states(_ids(tree, branch)).items()}
    with tree.transaction():
        tree.move_node(branch, 1, 0, 3)
    after = {node: state.depth for node, state in tree.node_states(_ids(tree, branch)).items()}

    assert {node: depth + 3 for node, depth in before.items()} == after


def _ids(tree, node):
    return [each for each, _ in tree.subtree(node)]


def test_terms_are_counted_up_and_down(tree):
    """A new term gets an id, and no count is ever negative."""
    with tree.transaction():
        tree.add_term_counts({"whale": 2, "zeppelin": 1, "unheard": -1})
    known = dict(tree.rows("SELECT term, used_by FROM term WHERE term IN ('zeppelin', 'unheard')"))

    assert {"zeppelin": 1} == known
    with tree.transaction():
        tree.add_term_counts({"zeppelin": -5})
    assert [(0,)] == tree.rows("SELECT used_by FROM term WHERE term = 'zeppelin'")


def test_the_version_changes_when_another_connection_writes(tree):
    """A connection's own changes do not change it."""
    before = tree.version()
    with tree.transaction():
        tree.facts["items"] = 300
    own = tree.version()
    with EditableTree.open(tree.path) as other, other.transaction():
        other.facts["items"] = 299

    assert before == own
    assert own != tree.version()


def test_a_missing_file_cannot_be_changed(tmp_path):
    """Opening it does not create it."""
    with pytest.raises(StoreError, match="does not exist"):
        EditableTree.open(tmp_path / "none.tree")
    assert not (tmp_path / "none.tree").exists()


def test_readers_see_complete_transactions(tree):
    """A reader sees nothing of a transaction that is not committed."""
    with tree.transaction():
        tree.facts["items"] = 299
        with ItemTree.open(tree.path) as reader:
            assert 300 == len(reader)
    with ItemTree.open(tree.path) as reader:
        assert 299 == len(reader)
