import shutil

import numpy as np
import pytest

from tests import trees
from unillmrec.items import Item
from unillmrec.store import ROOT
from unillmrec.tree.node_summary.contrastive_terms import TermSum
from unillmrec.updating.changer import TreeChanger
from unillmrec.updating.upkeep.node_words import choose_words


@pytest.fixture(params=["words", "given"])
def changer(request, tmp_path_factory, tmp_path):
    """A changer of a tree of terms, and one of a tree of given vectors."""
    built = tmp_path_factory.getbasetemp() / "trees"
    built.mkdir(exist_ok=True)
    {"words": trees.tree, "given": trees.given_tree}[request.param](built).close()
    shutil.copy(built / f"{request.param}.tree", tmp_path / "a.tree")
    given = SeaVectors() if request.param == "given" else None
    with TreeChanger(tmp_path / "a.tree", given=given) as changer:
        yield changer


class SeaVectors:
    """Gives every item the same vector, that of the first topic, the sea."""

    model = None

    def track(self, items):
        return iter(items)

    def prepare(self, items):
        pass

    def for_items(self, items):
        rows = np.zeros((len(items), 16), np.float32)
        rows[:, 0] = 1
        return rows


def sea(number):
    """Return an item about the sea with a word that no other item has."""
    return Item(f"new-{number}", f"A submarine and a whale {number}", "A tale of the sea: whale.")


def test_a_new_word_describes_the_leaf_where_it_is_frequent(changer):
    """When many items of a leaf share a new word, the word becomes part of its description."""
    changer.insert([sea(number) for number in range(12)])
    placed = changer.tree.items_by_id([f"new-{n}" for n in range(12)])
    leaves = {each.leaf for each in placed.values()}

    described = [changer.tree.node(leaf).description.words for leaf in leaves]
    assert any("submarine" in words for words in described)


def test_words_follow_a_single_item(tmp_path):
    """The words of every node above an item are up to date after its insert and its delete."""
    with trees.tree(tmp_path) as built, TreeChanger(built.path) as changer:
        changer.insert([sea(1)])
        leaf = changer.tree.items_by_id(["new-1"])["new-1"].leaf
        with_it = words_and_expected_words(changer.tree, leaf)
        changer.delete(["new-1"])
        without = words_and_expected_words(changer.tree, leaf)

    assert with_it[0] == with_it[1]
    assert without[0] == without[1]


def words_and_expected_words(tree, leaf):
    """Return the words of the nodes down to a leaf, and the words that their sums give."""
    path = tree.ancestors(leaf)
    nodes = [tree.node(ROOT), *path]
    sums = [
        TermSum(vector, node.size)
        for node, vector in zip(nodes, tree.node_vectors([node.id for node in nodes]), strict=True)
    ]
    pairs = {
        node.id: pair for node, pair in zip(path, zip(sums[1:], sums, strict=False), strict=True)
    }
    return {node.id: node.description.words for node in path}, choose_words(tree, pairs)


def test_titles_belong_to_present_items(changer):
    """No node shows the title of a deleted item, or the old title of a renamed one."""
    shown = changer.tree.node(1).description
    ids = [each.item.id for each in changer.tree.items_by_number(shown.typical[:2]).values()]
    changer.delete(ids[:1])
    placed = changer.tree.items_by_id(ids[1:])[ids[1]].item
    louder = Item(placed.id, placed.title.upper(), placed.text, placed.path, placed.attributes)
    changer.update([louder])

    titles = {
        title
        for node, _ in changer.tree.subtree(1)
        for title in changer.tree.node(node).description.titles
    }
    assert shown.titles[0] not in titles
    assert shown.titles[1] not in titles
    assert louder.title in titles


def test_ranges_follow_the_numbers(changer):
    """A leaf whose items all come from one year has that year in its description."""
    (leaf,) = {each.leaf for each in changer.tree.items_by_id(["item-000"]).values()}
    for each in changer.tree.items_in([leaf]):
        old = each.item
        attributes = {**old.attributes, "year": 1900}
        changer.update([Item(old.id, old.title, old.text, old.path, attributes)])
    # A changed number alone refreshes no description; a changed title that is shown does.
    shown = changer.tree.node(leaf).description.typical[0]
    first = changer.tree.items_by_number([shown])[shown].item
    changer.update([Item(first.id, f"{first.title}!", first.text, first.path, first.attributes)])

    assert ["year 1900"] == [
        each.text()
        for each in changer.tree.node(leaf).description.ranges
        if each.attribute == "year"
    ]
