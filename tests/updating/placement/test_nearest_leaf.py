import numpy as np
import pytest

from tests import trees
from unillmrec.store import EditableTree
from unillmrec.updating.placement import nearest_leaf as placing
from unillmrec.updating.placement.nearest_leaf import ChangeSet, nearest_leaves


@pytest.fixture(scope="module", params=[trees.tree, trees.given_tree], ids=["words", "given"])
def tree(request, tmp_path_factory):
    """A tree over words, and one over given vectors."""
    folder = tmp_path_factory.mktemp("placing")
    with request.param(folder) as made, EditableTree.open(made.path) as tree:
        yield tree


def test_most_items_find_their_own_leaf(tree):
    """An item that is in the tree is led to where it is, nearly always."""
    numbers = list(range(0, 300, 3))
    placed = tree.items_by_number(numbers)
    found = nearest_leaves(tree, tree.item_matrix(numbers))

    # Items drawn towards a neighbouring leaf were kept out of it by its capacity.
    assert np.mean([placed[n].leaf == leaf for n, leaf in zip(numbers, found, strict=True)]) > 0.6


def test_one_by_one_or_together_is_the_same(tree, monkeypatch):
    """Items are placed as if each were alone, however much of the tree is read at once."""
    rows = tree.item_matrix(list(range(0, 300, 7)))
    together = nearest_leaves(tree, rows)

    assert together == [nearest_leaves(tree, rows[at : at + 1])[0] for at in range(rows.shape[0])]
    monkeypatch.setattr(placing, "BRANCHES_AT_ONCE", 1)
    monkeypatch.setattr(placing, "ITEMS_AT_ONCE", 5)
    assert together == nearest_leaves(tree, rows)


def test_starts_may_be_anywhere(tree):
    """From a leaf an item goes nowhere, and from a branch only down."""
    branch = max(node for node, is_leaf in tree.subtree(1) if not is_leaf)
    leaves = {node for node, is_leaf in tree.subtree(branch) if is_leaf}
    somewhere = next(node for node, is_leaf in tree.subtree(1) if is_leaf and node not in leaves)
    vectors = tree.item_matrix([1, 2])
    first, second = nearest_leaves(tree, vectors, [branch, somewhere])

    assert first in leaves
    assert somewhere == second


def test_what_says_nothing_has_a_place_too(tree):
    """A vector without weight, and no vectors at all."""
    nothing = 0 * tree.item_matrix([1, 2, 3])
    leaves = {node for node, is_leaf in tree.subtree(1) if is_leaf}

    assert set(nearest_leaves(tree, nothing)) <= leaves
    assert [] == nearest_leaves(tree, nothing[:0])


def test_what_is_gone_is_not_touched():
    """Nodes that are no more are forgotten."""
    touched = ChangeSet({1, 2, 3})
    touched.forget([2, 9])

    assert {1, 3} == touched.nodes
