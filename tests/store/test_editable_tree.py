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
    """What an error breaks off was never there: neither rows, nor facts, nor columns."""
    placed = tree.items_by_id(["item-001"])["item-001"]

    def break_off():
        with tree.transaction():
            tree.facts["items"] = 1
            tree.take_numbers("node", 5)
            tree.remove_items([placed])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()

    assert 300 == len(tree)
    assert tree.items_by_id(["item-001"])
    assert 300 == Selection.of(tree, "year > 0").total


def test_numbers_are_never_used_again(tree):
    """Numbers of new nodes go on where the last ones ended, in later transactions too."""
    with tree.transaction():
        first = tree.take_numbers("node", 3)
    with tree.transaction():
        second = tree.take_numbers("node", 2)

    assert list(range(first.start, first.start + 5)) == [*first, *second]
    assert not set(first) & {node for node, _ in tree.subtree(1)}


def test_items_and_columns_go_together(tree):
    """An item that is written, moved or taken out is so in the columns as well."""
    leaf, other = [node for node, is_leaf in tree.subtree(1) if is_leaf][:2]
    item = Item("x", "X", attributes={"year": 3000, "colour": "red"})
    with tree.transaction():
        tree.put_items([PlacedItem(900, item, leaf)])
    there = Selection.of(tree, "year = 3000 and colour = 'red'")
    with tree.transaction():
        tree.move_items([(other, 900)])
    moved = Selection.of(tree, "year = 3000")
    with tree.transaction():
        tree.remove_items([PlacedItem(900, item, other)])

    assert (1, 1, 0) == (there.total, there.count(leaf), moved.count(leaf))
    assert 1 == moved.count(other)
    assert 0 == Selection.of(tree, "year = 3000").total


def test_finds_what_is_above_and_below(tree):
    """Ancestors come with a node, and a node comes first of what is below it."""
    leaf = max((node for node, is_leaf in tree.subtree(1) if is_leaf))
    way = [node.id for node in tree.ancestors(leaf)]

    assert {1, *way} == set(tree.states_with_ancestors([leaf]))
    assert (1, False) == tree.subtree(1)[0]
    assert [(leaf, True)] == tree.subtree(leaf)
    assert len(tree.rows("SELECT 1 FROM node")) == len(tree.subtree(1))


def test_a_moved_subtree_keeps_its_depths_right(tree):
    """Hanging a branch elsewhere changes the depth of all that is below it."""
    branch = max(node for node, is_leaf in tree.subtree(1) if not is_leaf)
    before = {node: state.depth for node, state in tree.node_states(_ids(tree, branch)).items()}
    with tree.transaction():
        tree.move_node(branch, 1, 0, 3)
    after = {node: state.depth for node, state in tree.node_states(_ids(tree, branch)).items()}

    assert {node: depth + 3 for node, depth in before.items()} == after


def _ids(tree, node):
    return [each for each, _ in tree.subtree(node)]


def test_terms_are_counted_up_and_down(tree):
    """A new term gets a number, and none is ever used by fewer than no items."""
    with tree.transaction():
        tree.add_term_counts({"whale": 2, "zeppelin": 1, "unheard": -1})
    known = dict(tree.rows("SELECT term, used_by FROM term WHERE term IN ('zeppelin', 'unheard')"))

    assert {"zeppelin": 1} == known
    with tree.transaction():
        tree.add_term_counts({"zeppelin": -5})
    assert [(0,)] == tree.rows("SELECT used_by FROM term WHERE term = 'zeppelin'")


def test_the_version_tells_that_somebody_else_wrote(tree):
    """A change by another connection is noticed, one's own is not."""
    before = tree.version()
    with tree.transaction():
        tree.facts["items"] = 300
    own = tree.version()
    with EditableTree.open(tree.path) as other, other.transaction():
        other.facts["items"] = 299

    assert before == own
    assert own != tree.version()


def test_what_is_no_tree_cannot_be_changed(tmp_path):
    """A missing file is not made by opening it."""
    with pytest.raises(StoreError, match="does not exist"):
        EditableTree.open(tmp_path / "none.tree")
    assert not (tmp_path / "none.tree").exists()


def test_readers_see_facts_of_a_whole_transaction(tree):
    """A reader that opens between two changes sees the first and nothing of the second."""
    with tree.transaction():
        tree.facts["items"] = 299
        with ItemTree.open(tree.path) as reader:
            assert 300 == len(reader)
    with ItemTree.open(tree.path) as reader:
        assert 299 == len(reader)
