import numpy as np
import pytest

from tests import trees
from unillmrec.store import EditableTree
from unillmrec.tree.keyword_descriptions import KEPT_TITLES, span, typicality
from unillmrec.updating.upkeep.leaf_contents import contents_of


@pytest.fixture(params=[trees.tree, trees.given_tree], ids=["words", "given"])
def tree(request, tmp_path):
    """A tree over words, and one over given vectors."""
    with request.param(tmp_path) as made, EditableTree.open(made.path) as tree:
        yield tree


def dense(rows):
    return rows if isinstance(rows, np.ndarray) else rows.toarray()


def test_all_leaves_together_are_as_each_alone(tree):
    """Sums, spans and typical items are those of the items that a leaf holds."""
    leaves = [node for node, is_leaf in tree.below(1) if is_leaf]
    found = contents_of(tree, leaves)

    for leaf in leaves:
        items = tree.items_in([leaf])
        rows = dense(tree.item_rows([each.number for each in items]))
        total = rows.sum(axis=0)
        near = rows @ total
        if tree.sparse:
            near = typicality(near, (rows > 0).sum(axis=1))
        years = span(np.array([each.item.attributes["year"] for each in items], np.float64))
        own = found[leaf]
        weights = total[total > 0] if tree.sparse else total
        np.testing.assert_allclose(own.total.weights, weights, rtol=1e-4)
        # Two that are equally near are told apart by rounding.
        places = [[each.number for each in items].index(number) for number in own.typical]
        np.testing.assert_allclose(near[places], np.sort(near)[::-1][:KEPT_TITLES], rtol=1e-4)
        assert len(items) == own.size
        assert years == own.spans["year"]
        assert "subjects" not in own.spans


def test_an_empty_leaf_holds_nothing(tree):
    """Of nothing, and of a leaf without items, the sum has no weight."""
    assert {} == contents_of(tree, [])
    assert 0 == contents_of(tree, [999])[999].size
    assert not len(contents_of(tree, [999])[999].total.weights)


def test_most_of_the_items_must_have_the_number(tree):
    """A number that few have, or that is none, spans nothing."""
    (leaf, _), *_ = [each for each in tree.below(1) if each[1]]
    with tree.transaction():
        tree._many(
            "UPDATE item SET attributes = ? WHERE number = ?",
            [
                (f'{{"rare": {"1" if at == 0 else "true"}, "none": NaN, "all": {at}}}', each.number)
                for at, each in enumerate(tree.items_in([leaf]))
            ],
        )

        assert ["all"] == list(contents_of(tree, [leaf])[leaf].spans)
