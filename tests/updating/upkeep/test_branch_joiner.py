"""An overfull root gets room by joining similar children."""

import pytest

from tests import trees
from unillmrec.building import BuildOptions, build
from unillmrec.building.given_vectors import VectorFile
from unillmrec.store import ROOT, EditableTree
from unillmrec.store.invariants import find_breaches
from unillmrec.tree.growing import Bounds
from unillmrec.updating.placement.nearest_leaf import ChangeSet
from unillmrec.updating.upkeep.branch_joiner import ROOM_MADE, BranchJoiner
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


def make_room(tree, most):
    """Make room below the root; return whether that worked."""
    changes = ChangeSet()
    with tree.transaction():
        done = BranchJoiner(tree, changes, Bounds(**tree.facts["bounds"])).make_room(ROOT, most)
        Refresh(tree, changes).run()
    return done


def test_children_are_joined_until_there_is_room(tree):
    """The root has a few children less than its limit, and the tree is sound."""
    most = len(tree.children(ROOT)) - 1
    assert most > 8
    leaves = {node for node, is_leaf in tree.subtree(ROOT) if is_leaf}
    depth = max(node.depth for node in map(tree.node, leaves))

    assert make_room(tree, most)
    assert len(tree.children(ROOT)) == most - ROOM_MADE
    assert leaves == {node for node, is_leaf in tree.subtree(ROOT) if is_leaf}
    assert max(tree.node(leaf).depth for leaf in leaves) <= depth + 1
    assert [] == list(find_breaches(tree))


def test_children_that_fit_nowhere_stay(tree):
    """If every pair would have too many children, nothing is joined."""
    before = tree.subtree(ROOT)
    changes = ChangeSet()
    with tree.transaction():
        bounds = Bounds(**{**tree.facts["bounds"], "fan_out": 1})
        assert not BranchJoiner(tree, changes, bounds).make_room(ROOT, len(tree.children(ROOT)) - 1)

    assert before == tree.subtree(ROOT)


def test_joined_nodes_make_a_summary_older(tree):
    """The items of a branch or leaf that was joined count as newer than the summary."""
    assert make_room(tree, 14)
    with tree.transaction():
        query = "SELECT json_set(description, '$.summary', 'a line'), 0, id FROM node"
        tree.set_descriptions(tree.rows(query))
    before = {node.id: node for node in tree.children(ROOT)}
    assert make_room(tree, 10)

    kept = [node for node in tree.children(ROOT) if node.id in before]
    larger = [node for node in kept if node.size > before[node.id].size]
    assert larger
    for node in kept:
        assert node.size - before[node.id].size == node.stale
    assert [] == list(find_breaches(tree))
