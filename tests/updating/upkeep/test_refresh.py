import shutil

import numpy as np
import pytest

from tests import trees
from unillmrec.items import Item
from unillmrec.store import ROOT
from unillmrec.updating.changer import TreeChanger
from unillmrec.updating.upkeep.contrastive_terms import Contrast, Mean, told_words


@pytest.fixture(params=["words", "given"])
def changer(request, tmp_path_factory, tmp_path):
    """A tree over words or given vectors, and how it gets the vectors of new items."""
    built = tmp_path_factory.getbasetemp() / "trees"
    built.mkdir(exist_ok=True)
    {"words": trees.tree, "given": trees.given_tree}[request.param](built).close()
    shutil.copy(built / f"{request.param}.tree", tmp_path / "a.tree")
    given = Given() if request.param == "given" else None
    with TreeChanger(tmp_path / "a.tree", given=given) as changer:
        yield changer


class Given:
    """Vectors that all point to the first topic, the sea."""

    model = None

    def noting(self, items):
        return iter(items)

    def prepare(self, items):
        pass

    def for_items(self, items):
        rows = np.zeros((len(items), 16), np.float32)
        rows[:, 0] = 1
        return rows


def sea(number):
    """Return an item of the sea with a word that nothing else has."""
    return Item(f"new-{number}", f"A submarine and a whale {number}", "A tale of the sea: whale.")


def test_a_new_word_is_told_where_it_says_most(changer):
    """When a leaf is full of something new, its words say so, and those of all above it."""
    changer.insert([sea(number) for number in range(12)])
    placed = changer.tree.items_with_ids([f"new-{n}" for n in range(12)])
    leaves = {each.leaf for each in placed.values()}

    told = [changer.tree.node(leaf).description.words for leaf in leaves]
    assert any("submarine" in words for words in told)


def test_one_item_is_enough_for_other_words(tmp_path):
    """Every node on the way of a new item is told by what it holds now; so when it is gone."""
    with trees.tree(tmp_path) as built, TreeChanger(built.path) as changer:
        changer.insert([sea(1)])
        leaf = changer.tree.items_with_ids(["new-1"])["new-1"].leaf
        with_it = words_and_what_they_should_be(changer.tree, leaf)
        changer.delete(["new-1"])
        without = words_and_what_they_should_be(changer.tree, leaf)

    assert with_it[0] == with_it[1]
    assert without[0] == without[1]


def words_and_what_they_should_be(tree, leaf):
    """Return the words of the nodes on the way to a leaf, and those that their sums tell."""
    way = tree.ancestors(leaf)
    nodes = [tree.node(ROOT), *way]
    means = [
        Mean(vector, node.size)
        for node, vector in zip(nodes, tree.node_vectors([node.id for node in nodes]), strict=True)
    ]
    contrasts = [
        Contrast(node.id, own, around)
        for node, own, around in zip(way, means[1:], means, strict=False)
    ]
    return {node.id: node.description.words for node in way}, told_words(tree, contrasts)


def test_titles_are_of_items_that_are_there(changer):
    """A deleted or renamed item is shown by no node any more."""
    shown = changer.tree.node(1).description
    ids = [each.item.id for each in changer.tree.items_numbered(shown.typical[:2]).values()]
    changer.delete(ids[:1])
    placed = changer.tree.items_with_ids(ids[1:])[ids[1]].item
    louder = Item(placed.id, placed.title.upper(), placed.text, placed.path, placed.attributes)
    changer.update([louder])

    titles = {
        title
        for node, _ in changer.tree.below(1)
        for title in changer.tree.node(node).description.titles
    }
    assert shown.titles[0] not in titles
    assert shown.titles[1] not in titles
    assert louder.title in titles


def test_ranges_follow_the_numbers(changer):
    """A leaf whose items come to lie in a few years tells them."""
    (leaf,) = {each.leaf for each in changer.tree.items_with_ids(["item-000"]).values()}
    for each in changer.tree.items_in([leaf]):
        old = each.item
        attributes = {**old.attributes, "year": 1900}
        changer.update([Item(old.id, old.title, old.text, old.path, attributes)])
    # Numbers alone touch no description; another title of an item that is shown does.
    shown = changer.tree.node(leaf).description.typical[0]
    first = changer.tree.items_numbered([shown])[shown].item
    changer.update([Item(first.id, f"{first.title}!", first.text, first.path, first.attributes)])

    assert ["year 1900"] == [
        each.text()
        for each in changer.tree.node(leaf).description.ranges
        if each.attribute == "year"
    ]
