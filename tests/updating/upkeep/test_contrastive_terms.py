import numpy as np
import pytest

from tests import trees
from unillmrec.store import ROOT, EditableTree
from unillmrec.tree.vectors import Vector
from unillmrec.updating.upkeep import contrastive_terms as telling
from unillmrec.updating.upkeep.contrastive_terms import Contrast, Mean, told_words


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A tree as it was built."""
    with (
        trees.tree(tmp_path_factory.mktemp("telling")) as made,
        EditableTree.open(made.path) as tree,
    ):
        yield tree


def contrasts(tree):
    """Return what sets the children of the root apart from it."""
    children = tree.children(ROOT)
    (around,) = tree.node_vectors([ROOT])
    return [
        Contrast(child.id, Mean(own, child.size), Mean(around, len(tree)))
        for child, own in zip(
            children, tree.node_vectors([child.id for child in children]), strict=True
        )
    ]


def test_tells_what_a_build_tells(tree):
    """Nodes of which nothing changed would be told by the same words."""
    told = told_words(tree, contrasts(tree))

    assert {child.id: child.description.words for child in tree.children(ROOT)} == told
    assert all(told.values())


def test_how_many_terms_are_looked_up_does_not_matter(tree, monkeypatch):
    """A term that was not looked up at first is, where it could say more."""
    told = told_words(tree, contrasts(tree))
    monkeypatch.setattr(telling, "LOOKED_AT", 1)
    monkeypatch.setattr(telling, "MORE", 2)

    assert told == told_words(tree, contrasts(tree))


def test_what_is_as_usual_around_it_is_not_told(tree):
    """A node that is like its parent has no words, and one without any neither."""
    (root,) = tree.node_vectors([ROOT])
    empty = Vector(np.zeros(0, np.float32), np.zeros(0, np.int32))
    alike = Contrast(1, Mean(root.scaled(0.5), len(tree)), Mean(root, len(tree)))
    nothing = Contrast(2, Mean(empty, 0), Mean(root, len(tree)))

    assert {1: (), 2: ()} == told_words(tree, [alike, nothing])
