"""What is kept of nodes follows the items that come to them and leave them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import trees
from unillmrec.store import ROOT, EditableTree
from unillmrec.updating.placement.pending_deltas import ANEW_AT, PendingDeltas, passes_a_step


@pytest.fixture(params=[trees.tree, trees.given_tree], ids=["words", "given"])
def tree(request, tmp_path):
    """A tree over words, and one over given vectors."""
    with request.param(tmp_path) as made, EditableTree.open(made.path) as tree:
        yield tree


def two_leaves(tree):
    """Return two leaves below different children of the root, and a few items of the first."""
    one, other = (
        next(node for node, is_leaf in tree.subtree(child.id) if is_leaf)
        for child in (tree.children(ROOT)[0], tree.children(ROOT)[-1])
    )
    return one, other, tree.items_in([one])[:3]


def dense(rows):
    return rows if isinstance(rows, np.ndarray) else rows.toarray()


def test_sums_and_sizes_follow_items_from_one_leaf_to_another(tree):
    """The root keeps what it had, all others on the two ways lose or gain three items."""
    one, other, items = two_leaves(tree)
    numbers = [each.number for each in items]
    rows = tree.item_matrix(numbers)
    ways = [[*(node.id for node in tree.ancestors(leaf)), ROOT] for leaf in (one, other)]
    nodes = sorted({node for way in ways for node in way})
    before, sizes = dense(tree.node_matrix(nodes)), tree.sizes_and_priors(nodes)
    moves = PendingDeltas()
    moves.note(tree, [one] * 3, rows, [0.0] * 3, -1)
    moves.note(tree, [other] * 3, rows, [0.0] * 3, 1)
    with tree.transaction():
        moves.bring_in_step(tree, moves.nodes())

    after = dense(tree.node_matrix(nodes))
    moved = dense(rows).sum(axis=0)
    assert moves.nodes() == set(nodes)
    for place, node in enumerate(nodes):
        sign = (node in ways[1]) - (node in ways[0])
        np.testing.assert_allclose(after[place], before[place] + sign * moved, atol=2e-3)
        assert tree.sizes_and_priors([node])[node][0] == sizes[node][0] + 3 * sign


def test_what_is_taken_away_leaves_nothing_behind(tree):
    """Of a word that only the leaving items had, the sum of their leaf keeps no trace."""
    one, _, _ = two_leaves(tree)
    items = tree.items_in([one])
    numbers = [each.number for each in items]
    moves = PendingDeltas()
    moves.note(tree, [one] * len(items), tree.item_matrix(numbers), [0.0] * len(items), -1)
    with tree.transaction():
        moves.bring_in_step(tree, [one])

    assert np.abs(dense(tree.node_matrix([one]))).max(initial=0) < 2e-3
    assert not tree.sparse or not tree.packed_sums([one])[0]
    assert 0 == tree.sizes_and_priors([one])[one][0]


def test_weights_that_changed_reach_all_above(tree):
    """A part that was weighed anew changes the sums above it, and no size."""
    one, _, items = two_leaves(tree)
    gained = tree.item_matrix([items[0].number])
    before = dense(tree.node_matrix([ROOT]))
    size = tree.sizes_and_priors([ROOT])
    moves = PendingDeltas()
    moves.note_weighed(tree, one, gained)
    with tree.transaction():
        moves.bring_in_step(tree, [ROOT])

    np.testing.assert_allclose(dense(tree.node_matrix([ROOT])), before + dense(gained), atol=2e-3)
    assert size == tree.sizes_and_priors([ROOT])


@given(
    size=st.integers(1, 2_000),
    moved=st.integers(0, 5_000),
    changes=st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.integers(1, 30)), max_size=300),
)
def test_titles_are_never_older_than_a_fifth(size, moved, changes):
    """However a node shrinks and grows, what moved since it was told is a fifth of it at most."""
    told = None
    for sign, count in changes:
        before, moved, size = moved, moved + count, max(0, size + sign * count)
        if passes_a_step(before, moved, size):
            told = moved
        elif told is not None:
            # Of the size that it had when it was told.
            assert moved - told <= ANEW_AT * (size + moved - told)
