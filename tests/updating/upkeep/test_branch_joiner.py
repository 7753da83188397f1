"""Room below an over-full root is made by joining what is alike."""

import pytest

from tests import trees
from unillmrec.building import BuildOptions, build
from unillmrec.building.given_vectors import VectorFile
from unillmrec.store import ROOT, EditableTree
from unillmrec.store.invariants import breaches
from unillmrec.tree.growing import Bounds
from unillmrec.updating.placement.nearest_leaf import ChangeSet
from unillmrec.updating.upkeep.branch_joiner import ROOM_MADE, Joiner
from unillmrec.updating.upkeep.refresh import Refresh

BOUNDS = Bounds(fan_out=6, most_children=8, root_children=24, leaf_target=8, leaf_capacity=12)


@pytest.fixture(params=[False, True], ids=["words", "given"])
def tree(request, tmp_path):
    """A flat tree over words, and one over given vectors."""
    given = None
    if request.param:
        trees.given_tree(tmp_path).close()
        given = VectorFile(tmp_path / "given.npy")
    options = BuildOptions(bounds=BOUNDS, workers=1, given=given)
    build(trees.items(), tmp_path / "flat.tree", options)
    with EditableTree.open(tmp_path / "flat.tree") as tree:
        yield tree


def joined(tree, most):
    """Make room below the root; return whether there was a way."""
    touched = ChangeSet()
    with tree.transaction():
        done = Joiner(tree, touched, Bounds(**tree.facts["bounds"])).make_room(ROOT, most)
        Refresh(tree, touched).run()
    return done


def test_children_are_joined_until_there_is_room(tree):
    """The root has a few children less than it may have, and nothing else is wrong."""
    most = len(tree.children(ROOT)) - 1
    assert most > 8
    leaves = {node for node, is_leaf in tree.subtree(ROOT) if is_leaf}
    depth = max(node.depth for node in map(tree.node, leaves))

    assert joined(tree, most)
    assert len(tree.children(ROOT)) == most - ROOM_MADE
    assert leaves == {node for node, is_leaf in tree.subtree(ROOT) if is_leaf}
    assert max(tree.node(leaf).depth for leaf in leaves) <= depth + 1
    assert [] == list(breaches(tree))


def test_what_fits_nowhere_stays(tree):
    """Where every pair would be wider than a branch may be, nothing is joined."""
    before = tree.subtree(ROOT)
    touched = ChangeSet()
    with tree.transaction():
        bounds = Bounds(**{**tree.facts["bounds"], "fan_out": 1})
        assert not Joiner(tree, touched, bounds).make_room(ROOT, len(tree.children(ROOT)) - 1)

    assert before == tree.subtree(ROOT)


def test_a_summary_knows_nothing_of_what_was_joined(tree):
    """What a branch was given, a branch or a leaf, is newer than the line that a model wrote."""
    assert joined(tree, 14)
    with tree.transaction():
        query = "SELECT json_set(description, '$.summary', 'a line'), 0, id FROM node"
        tree.set_descriptions(tree.rows(query))
    before = {node.id: node for node in tree.children(ROOT)}
    assert joined(tree, 10)

    kept = [node for node in tree.children(ROOT) if node.id in before]
    grown = [node for node in kept if node.size > before[node.id].size]
    assert grown
    for node in kept:
        assert node.size - before[node.id].size == node.stale
    assert [] == list(breaches(tree))
