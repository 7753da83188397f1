import numpy as np
import pytest

from tests import trees
from unillmrec.store import EditableTree
from unillmrec.updating.placement import nearest_leaf
from unillmrec.updating.placement.nearest_leaf import ChangeSet, nearest_leaves


@pytest.fixture(scope="module", params=[trees.tree, trees.given_tree], ids=["words", "given"])
def tree(request, tmp_path_factory):
    """A tree over words, and one over given vectors."""
    folder = tmp_path_factory.mktemp("placement")
    with request.param(folder) as made, EditableTree.open(made.path) as tree:
        yield tree


def test_most_items_find_their_own_leaf(tree):
    """An item of the tree is nearly always placed in the leaf that it is in."""
    numbers = list(range(0, 300, 3))
    placed = tree.items_by_number(numbers)
    found = nearest_leaves(tree, tree.item_matrix(numbers))

    # The capacity of the nearest leaf kept the others out of it.
    assert np.mean([placed[n].leaf == leaf for n, leaf in zip(numbers, found, strict=True)]) > 0.6


def test_items_are_placed_independently_of_each_other(tree, monkeypatch):
    """Batches of any size, and any part of the tree read at once, give the same leaves."""
    rows = tree.item_matrix(list(range(0, 300, 7)))
    together = nearest_leaves(tree, rows)

    assert together == [nearest_leaves(tree, rows[at : at + 1])[0] for at in range(rows.shape[0])]
    monkeypatch.setattr(nearest_leaf, "BRANCHES_AT_ONCE", 1)
    monkeypatch.setattr(nearest_leaf, "ITEMS_AT_ONCE", 5)
    assert together == nearest_leaves(tree, rows)


def test_the_search_may_start_at_any_node(tree):
    """From a leaf an item stays there, from a branch it only moves down."""
    branch = max(node for node, is_leaf in tree.subtree(1) if not is_leaf)
    leaves = {node for node, is_leaf in tree.subtree(branch) if is_leaf}
    somewhere = next(node for node, is_leaf in tree.subtree(1) if is_leaf and node not in leaves)
    vectors = tree.item_matrix([1, 2])
    first, second = nearest_leaves(tree, vectors, [branch, somewhere])

    assert first in leaves
    assert somewhere == second


def test_an_empty_vector_is_placed_too(tree):
    """A vector without weight gets a leaf; no vectors get none."""
    nothing = 0 * tree.item_matrix([1, 2, 3])
    leaves = {node for node, is_leaf in tree.subtree(1) if is_leaf}

    assert set(nearest_leaves(tree, nothing)) <= leaves
    assert [] == nearest_leaves(tree, nothing[:0])


def test_removed_nodes_are_discarded():
    """A change set drops nodes that were removed from the tree."""
    changes = ChangeSet({1, 2, 3})
    changes.discard_nodes([2, 9])

    assert {1, 3} == changes.nodes
