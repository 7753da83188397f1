import pytest

from tests import trees
from unillmrec.store import ROOT, EditableTree
from unillmrec.store.invariants import breaches
from unillmrec.updating.placement.nearest_leaf import ChangeSet
from unillmrec.updating.upkeep.refresh import Refresh
from unillmrec.updating.upkeep.splitter import Splitter


@pytest.fixture(params=[trees.tree, trees.given_tree], ids=["words", "given"])
def tree(request, tmp_path):
    """A tree over words, and one over given vectors."""
    with request.param(tmp_path) as made, EditableTree.open(made.path) as tree:
        yield tree


def overfull_leaf(tree):
    """Return a leaf that was given the items of a sibling, below a branch that has room."""
    for branch, is_leaf in tree.subtree(ROOT):
        leaves = [] if is_leaf else [c for c in tree.child_states([branch])[branch] if c.is_leaf]
        if branch != ROOT and len(leaves) > 2:
            kept, given = leaves[-2:]
            tree.move_items((kept.id, number) for number in tree.item_numbers_in([given.id]))
            tree.remove_nodes([given.id])
            return kept
    raise AssertionError("no such branch")


def test_the_parts_of_a_leaf_stand_in_its_place(tree):
    """Where there is room beside it, a leaf is split without another level."""
    touched = ChangeSet()
    planter = Splitter(tree, touched)
    with tree.transaction():
        leaf = overfull_leaf(tree)
        held = tree.item_numbers_in([leaf.id])
        before = [node for node, _ in tree.child_ids([leaf.parent])[leaf.parent]]
        planter.split([leaf.id])
        planter.close()
        Refresh(tree, touched).run()
    family = tree.child_states([leaf.parent])[leaf.parent]
    parts = [child for child in family if child.id not in before or child.id == leaf.id]

    assert len(parts) > 1
    assert 1 == planter.touched.splits
    assert sorted(held) == sorted(tree.item_numbers_in([part.id for part in parts]))
    assert {leaf.depth} == {part.depth for part in parts}
    assert list(range(len(family))) == [child.place for child in family]
    # Those that were there before them and after them still are.
    at = before.index(leaf.id)
    assert before[:at] == [child.id for child in family[:at]]
    assert [] == list(breaches(tree))


def test_nothing_to_split_is_no_work(tree):
    """A change that fills no leaf over its bounds splits none."""
    touched = ChangeSet()
    Splitter(tree, touched).split([])

    assert (set(), 0) == (touched.nodes, touched.splits)


def test_a_branch_has_as_many_children_as_it_may(tree):
    """The root, which every walk reads once, has bounds of its own."""
    planter = Splitter(tree, ChangeSet())

    assert trees.NARROW.root_children == planter.most_children(ROOT)
    assert trees.NARROW.most_children == planter.most_children(2)
