"""The stored sums and sizes of nodes follow the items that come and leave."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import trees
from unillmrec.store import ROOT, EditableTree
from unillmrec.updating.placement.pending_deltas import SUMMARIZE_AT, PendingDeltas, passes_step


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
    """The root stays the same; all other nodes on the two paths lose or gain three items."""
    one, other, items = two_leaves(tree)
    numbers = [each.number for each in items]
    rows = tree.item_matrix(numbers)
    paths = [[*(node.id for node in tree.ancestors(leaf)), ROOT] for leaf in (one, other)]
    nodes = sorted({node for path in paths for node in path})
    before, sizes = dense(tree.node_matrix(nodes)), tree.sizes_and_priors(nodes)
    deltas = PendingDeltas()
    deltas.add(tree, [one] * 3, rows, [0.0] * 3, -1)
    deltas.add(tree, [other] * 3, rows, [0.0] * 3, 1)
    with tree.transaction():
        deltas.apply_to(tree, deltas.nodes())

    after = dense(tree.node_matrix(nodes))
    moved = dense(rows).sum(axis=0)
    assert deltas.nodes() == set(nodes)
    for place, node in enumerate(nodes):
        sign = (node in paths[1]) - (node in paths[0])
        np.testing.assert_allclose(after[place], before[place] + sign * moved, atol=2e-3)
        assert tree.sizes_and_priors([node])[node][0] == sizes[node][0] + 3 * sign


def test_removed_items_leave_nothing_in_a_sum(tree):
    """A word that only the removed items had is gone from the sum of their leaf."""
    one, _, _ = two_leaves(tree)
    items = tree.items_in([one])
    numbers = [each.number for each in items]
    deltas = PendingDeltas()
    deltas.add(tree, [one] * len(items), tree.item_matrix(numbers), [0.0] * len(items), -1)
    with tree.transaction():
        deltas.apply_to(tree, [one])

    assert np.abs(dense(tree.node_matrix([one]))).max(initial=0) < 2e-3
    assert not tree.sparse or not tree.packed_sums([one])[0]
    assert 0 == tree.sizes_and_priors([one])[one][0]


def test_changed_weights_reach_all_nodes_above(tree):
    """Recomputed vectors change the sums above them, and no sizes."""
    one, _, items = two_leaves(tree)
    gained = tree.item_matrix([items[0].number])
    before = dense(tree.node_matrix([ROOT]))
    size = tree.sizes_and_priors([ROOT])
    deltas = PendingDeltas()
    deltas.add_reweighted(tree, one, gained)
    with tree.transaction():
        deltas.apply_to(tree, [ROOT])

    np.testing.assert_allclose(dense(tree.node_matrix([ROOT])), before + dense(gained), atol=2e-3)
    assert size == tree.sizes_and_priors([ROOT])


@given(
    size=st.integers(1, 2_000),
    moved=st.integers(0, 5_000),
    changes=st.lists(st.tuples(st.sampled_from([-1, 0, 1]), st.integers(1, 30)), max_size=300),
)
def test_titles_never_miss_more_than_a_fifth_of_the_changes(size, moved, changes):
    """However a node shrinks and grows, at most a fifth of it moved since its last summary."""
    summarized = None
    for sign, count in changes:
        before, moved, size = moved, moved + count, max(0, size + sign * count)
        if passes_step(before, moved, size):
            summarized = moved
        elif summarized is not None:
            # Relative to the size at the time of the summary.
            assert moved - summarized <= SUMMARIZE_AT * (size + moved - summarized)
