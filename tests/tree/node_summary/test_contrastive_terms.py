import numpy as np
import pytest

from tests import trees
from unillmrec.store import ROOT, EditableTree
from unillmrec.tree.node_summary import contrastive_terms as module
from unillmrec.tree.node_summary.contrastive_terms import Contrast, TermSum, contrastive_terms
from unillmrec.tree.vectors import Vector
from unillmrec.updating.upkeep.node_words import term_look_up


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A tree as it was built."""
    with (
        trees.tree(tmp_path_factory.mktemp("contrasts")) as made,
        EditableTree.open(made.path) as tree,
    ):
        yield tree


def contrasts(tree):
    """Return the contrasts of the children of the root with the root."""
    children = tree.children(ROOT)
    (around,) = tree.node_vectors([ROOT])
    return [
        Contrast.of_sums(TermSum(own, child.size), TermSum(around, len(tree)))
        for child, own in zip(
            children, tree.node_vectors([child.id for child in children]), strict=True
        )
    ]


def test_stored_sums_give_the_words_of_the_build(tree):
    """The words of unchanged nodes, chosen from the file, equal those that the build chose."""
    found = contrastive_terms(contrasts(tree), term_look_up(tree))

    assert [child.description.words for child in tree.children(ROOT)] == found
    assert all(found)


def test_the_number_of_terms_looked_up_first_does_not_matter(tree, monkeypatch):
    """A term that was not looked up first is looked up later if it could win."""
    found = contrastive_terms(contrasts(tree), term_look_up(tree))
    monkeypatch.setattr(module, "LOOKED_AT", 1)
    monkeypatch.setattr(module, "MORE", 2)

    assert found == contrastive_terms(contrasts(tree), term_look_up(tree))


def test_a_node_like_its_parent_has_no_words(tree):
    """Neither has a node without any terms."""
    (root,) = tree.node_vectors([ROOT])
    empty = Vector(np.zeros(0, np.float32), np.zeros(0, np.int32))
    around = TermSum(root, len(tree))
    alike = Contrast.of_sums(TermSum(root.scaled(0.5), len(tree)), around)
    nothing = Contrast.of_sums(TermSum(empty, 0), around)

    assert [(), ()] == contrastive_terms([alike, nothing], term_look_up(tree))
