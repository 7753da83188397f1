import random

import pytest

from unillmrec.building import BuildOptions, build
from unillmrec.items import Item
from unillmrec.store.invariants import find_breaches
from unillmrec.updating.changer import TreeChanger

WORDS = ["green", "dark", "fresh", "old", "small", "round", "soft", "plain", "fine", "warm", "cold"]


def item(number, topic, path=None):
    """Return an item of a category below Drinks, or with another *path*."""
    words = random.Random(f"{number}{topic}").sample(WORDS, 3)
    path = ("Drinks", topic) if path is None else path
    return Item(f"{topic}{number}", " ".join([topic, *words]), "", path)


@pytest.fixture(params=["paths", "paths+clusters"])
def changer(request, tmp_path):
    """A tree of forty items each of three categories."""
    items = [item(n, topic) for topic in ("tea", "coffee", "milk") for n in range(40)]
    build(items, tmp_path / "a.tree", BuildOptions(tree=request.param, workers=1))
    with TreeChanger(tmp_path / "a.tree") as changer:
        yield changer
        assert [] == list(find_breaches(changer.tree))


def names(tree, node=1):
    """Return the names of the children of a node, with their sizes."""
    return {child.description.name: child.size for child in tree.children(node)}


def test_a_split_keeps_the_name_above_its_parts(changer):
    """A category that outgrows its leaf becomes a branch with its name."""
    changer.insert([item(n, "tea") for n in range(40, 80)])

    assert {"coffee": 40, "milk": 40, "tea": 80} == names(changer.tree)
    (tea,) = [each for each in changer.tree.children(1) if each.description.name == "tea"]
    assert all(each in ("",) or each.startswith("tea ") for each in names(changer.tree, tea.id))


def test_a_shrinking_category_is_not_mixed_with_others(changer):
    """A category of two items keeps its leaf until the last item is deleted."""
    changer.delete([f"milk{n}" for n in range(38)])
    few = names(changer.tree)
    changer.delete(["milk38", "milk39"])

    assert {"coffee": 40, "milk": 2, "tea": 40} == few
    assert {"coffee": 40, "tea": 40} == names(changer.tree)


def test_the_last_category_is_named_by_the_whole_path(changer):
    """A branch of one child is replaced by it; a new category splits the name again."""
    changer.delete([f"{topic}{n}" for topic in ("milk", "coffee") for n in range(40)])
    changer.insert([item(n, "juice") for n in range(20)])

    assert {"tea", "juice"} <= set(names(changer.tree)) | set(
        names(changer.tree, changer.tree.children(1)[0].id)
    )


def test_a_new_category_gets_a_leaf_where_its_path_leads(changer):
    """Below a known category the leaf joins its siblings; otherwise it is at the top."""
    changer.insert([item(n, "juice") for n in range(6)])
    changer.insert([item(n, "rake", ("Garden", "tools")) for n in range(6)])
    top = {each.description.name: each for each in changer.tree.children(1)}

    assert {"Drinks", "Garden"} == set(top)
    assert {"coffee", "milk", "tea", "juice"} == set(names(changer.tree, top["Drinks"].id))


def test_items_without_a_path_get_their_own_leaf(changer):
    """Items without a category share a leaf named "No category"."""
    changer.insert([item(n, "thing", ()) for n in range(6)])

    assert {"Drinks": 120, "No category": 6} == names(changer.tree)


def test_a_changed_path_moves_the_item(changer):
    """An item whose category changed in the catalog is in that category's leaf."""
    changer.update([Item("tea0", item(0, "tea").title, "", ("Drinks", "milk"))])

    assert {"coffee": 40, "milk": 41, "tea": 39} == names(changer.tree)


def test_an_emptied_tree_takes_new_categories(changer):
    """A tree that was emptied and filled with other items has their categories."""
    changer.delete([f"{topic}{n}" for topic in ("milk", "coffee", "tea") for n in range(40)])
    changer.insert(
        [item(n, topic, ("Wares", topic)) for topic in ("wool", "lamp") for n in range(40)]
    )

    assert {"wool": 40, "lamp": 40} == names(changer.tree)
