import numpy as np
import pytest

from tests import trees
from unillmrec.store import EditableTree
from unillmrec.tree.node_summary.typical_items import KEPT_TITLES, typicality
from unillmrec.tree.node_summary.value_spans import span
from unillmrec.updating.upkeep.leaf_summaries import summarize_leaves


@pytest.fixture(params=[trees.tree, trees.given_tree], ids=["words", "given"])
def tree(request, tmp_path):
    """A tree over words, and one over given vectors."""
    with request.param(tmp_path) as made, EditableTree.open(made.path) as tree:
        yield tree


def dense(rows):
    return rows if isinstance(rows, np.ndarray) else rows.toarray()


def test_leaves_summarized_together_equal_each_one_alone(tree):
    """The sum, spans and typical items of a leaf come from its own items only."""
    leaves = [node for node, is_leaf in tree.subtree(1) if is_leaf]
    found = summarize_leaves(tree, leaves)

    for leaf in leaves:
        items = tree.items_in([leaf])
        rows = dense(tree.item_matrix([each.number for each in items]))
        total = rows.sum(axis=0)
        near = rows @ total
        if tree.sparse:
            near = typicality(near, (rows > 0).sum(axis=1))
        years = span(np.array([each.item.attributes["year"] for each in items], np.float64))
        own = found[leaf]
        weights = total[total > 0] if tree.sparse else total
        np.testing.assert_allclose(own.total.weights, weights, rtol=1e-4)
        # Rounding decides between two items that are equally near.
        places = [[each.number for each in items].index(number) for number in own.typical]
        np.testing.assert_allclose(near[places], np.sort(near)[::-1][:KEPT_TITLES], rtol=1e-4)
        assert len(items) == own.size
        assert years == own.spans["year"]
        assert "subjects" not in own.spans


def test_an_empty_leaf_has_an_empty_summary(tree):
    """The sum of a leaf without items has no weight; no leaves give no summaries."""
    assert {} == summarize_leaves(tree, [])
    assert 0 == summarize_leaves(tree, [999])[999].size
    assert not len(summarize_leaves(tree, [999])[999].total.weights)


def test_a_span_needs_a_number_in_most_items(tree):
    """An attribute that few items have, or whose values are not numbers, gets no span."""
    (leaf, _), *_ = [each for each in tree.subtree(1) if each[1]]
    with tree.transaction():
        tree._execute_many(
            "UPDATE item SET attributes = ? WHERE number = ?",
            [
                (f'{{"rare": {"1" if at == 0 else "true"}, "none": NaN, "all": {at}}}', each.number)
                for at, each in enumerate(tree.items_in([leaf]))
            ],
        )

        assert ["all"] == list(summarize_leaves(tree, [leaf])[leaf].spans)
