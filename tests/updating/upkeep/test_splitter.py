import pytest

from tests import trees
from unillmrec.store import ROOT, EditableTree
from unillmrec.store.invariants import find_breaches
from unillmrec.updating.placement.nearest_leaf import ChangeSet
from unillmrec.updating.upkeep.refresh import Refresh
from unillmrec.updating.upkeep.splitter import Splitter


@pytest.fixture(params=[trees.tree, trees.given_tree], ids=["words", "given"])
def tree(request, tmp_path):
    """A tree over words, and one over given vectors."""
    with request.param(tmp_path) as made, EditableTree.open(made.path) as tree:
        yield tree


def overfull_leaf(tree):
    """Return a leaf that got the items of a sibling, below a branch that has room."""
    for branch, is_leaf in tree.subtree(ROOT):
        leaves = [] if is_leaf else [c for c in tree.child_states([branch])[branch] if c.is_leaf]
        if branch != ROOT and len(leaves) > 2:
            kept, given = leaves[-2:]
            tree.move_items((kept.id, number) for number in tree.item_numbers_in([given.id]))
            tree.remove_nodes([given.id])
            return kept
    raise AssertionError("no such branch")


def test_the_parts_of_a_leaf_replace_it(tree):
    """Where its parent has room, a leaf is split without a new level."""
    changes = ChangeSet()
    splitter = Splitter(tree, changes)
    with tree.transaction():
        leaf = overfull_leaf(tree)
        held = tree.item_numbers_in([leaf.id])
        before = [node for node, _ in tree.child_ids([leaf.parent])[leaf.parent]]
        splitter.split_leaves([leaf.id])
        splitter.close()
        Refresh(tree, changes).run()
    family = tree.child_states([leaf.parent])[leaf.parent]
    parts = [child for child in family if child.id not in before or child.id == leaf.id]

    assert len(parts) > 1
    assert 1 == splitter.changes.splits
    assert sorted(held) == sorted(tree.item_numbers_in([part.id for part in parts]))
    assert {leaf.depth} == {part.depth for part in parts}
    assert list(range(len(family))) == [child.place for child in family]
    # The siblings before and after them are the same.
    at = before.index(leaf.id)
    assert before[:at] == [child.id for child in family[:at]]
    assert [] == list(find_breaches(tree))


def test_no_leaves_to_split_change_nothing(tree):
    """Without overfull leaves the change set stays empty."""
    changes = ChangeSet()
    Splitter(tree, changes).split_leaves([])

    assert (set(), 0) == (changes.nodes, changes.splits)


def test_the_root_and_other_branches_have_their_own_limits(tree):
    """The limit of the root's children differs from that of other branches."""
    splitter = Splitter(tree, ChangeSet())

    assert trees.NARROW.root_children == splitter.most_children(ROOT)
    assert trees.NARROW.most_children == splitter.most_children(2)
