from pathlib import Path

import numpy as np
import pytest

from tests.trees import NARROW
from unillmrec.building import BuildOptions, build, subtree_growth
from unillmrec.building.given_vectors import VectorFile
from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.recommending.reasons import breadcrumb
from unillmrec.store import ROOT, ItemTree
from unillmrec.tree.category_paths import PathsRead

SHOP = {
    ("Tea", "Green"): ["Sencha", "Matcha", "Gunpowder", "Dragon Well", "Genmaicha"],
    ("Tea", "Black &amp; Red"): ["Assam", "Darjeeling", "Keemun", "Ceylon", "Lapsang Souchong"],
    ("Tea",): ["Teapot of clay", "Kettle of iron", "Strainer", "Tin for tea"],
    ("Coffee", "Beans"): ["Sumatra beans", "Kenya beans", "Brazil beans", "Java beans"],
    ("COFFEE", "beans"): ["Peru beans", "House blend of beans", "Decaf beans"],
    (): ["Voucher", "Gift box"],
}


def items():
    return [
        Item(f"{title}", title, path=path, attributes={"shelf": path[-1:], "number": number})
        for path, titles in SHOP.items()
        for number, title in enumerate(titles)
    ]


def built(tree="paths", catalog=None, **options):
    settings = {"bounds": NARROW, "workers": 1, "overwrite": True, **options}
    return build(catalog or items(), f"{tree}.tree", BuildOptions(tree=tree, **settings))


def labels_by_item(tree):
    """Return the breadcrumb of each item."""
    numbers = tree.items_by_id([item.id for item in items()])
    return {
        item_id: breadcrumb([node.description for node in tree.ancestors(placed.leaf)])
        for item_id, placed in numbers.items()
    }


def test_items_are_found_under_their_categories():
    """The breadcrumb of an item is its cleaned path; items directly in a branch get a leaf."""
    report = built()

    assert PathsRead(5, without=2, html=1, cut=0, empty=0, spellings=2, deep=0) == report.paths
    with ItemTree.open("paths.tree") as tree:
        found = labels_by_item(tree)
        assert "paths" == tree.facts["tree"]
    assert len(found) == sum(map(len, SHOP.values()))
    assert [
        "Tea > Green",
        "Tea > Black & Red",
        "Tea > General",
        "Coffee > Beans",
        "Coffee > Beans",
        "No category",
    ] == [
        found[each]
        for each in ("Matcha", "Assam", "Strainer", "Java beans", "Decaf beans", "Voucher")
    ]


def test_the_line_of_a_node_starts_with_its_label():
    """The words after a label repeat neither it nor the labels above."""
    built()

    with ItemTree.open("paths.tree") as tree:
        (coffee, tea, _) = tree.children(ROOT)
        lines = [node.description.line(node.size) for node in tree.children(tea.id)]
        words = coffee.description.words
    assert ["Black & Red", "Green", "General"] == [line.split(": ")[0] for line in lines]
    assert not {"tea", "green", "black"} & set(lines[1].split(" (")[0].split(": ")[1].split(", "))
    assert words
    assert "coffee" not in words


def test_clusters_below_categories_are_labelled_by_their_words():
    """A category that is too large has clusters, and small ones share a leaf."""
    catalog = [
        Item(f"{topic}-{n}", f"{topic} number {n}", path=("Drinks", "Tea"))
        for topic in ("assam", "sencha", "matcha")
        for n in range(10)
    ]
    catalog += [Item(f"cup-{n}", f"Cup {n}", path=("Drinks", f"Cups {n}")) for n in range(7)]
    report = built("paths+clusters", catalog)

    assert report.largest_leaf <= NARROW.leaf_capacity
    with ItemTree.open("paths+clusters.tree") as tree:
        tea, cups = tree.children(ROOT)
        labels = {node.description.label.split(",")[0] for node in tree.children(tea.id)}
    assert ("Tea", "Other Drinks") == (tea.description.label, cups.description.label)
    assert {"assam", "sencha", "matcha"} == labels


def test_large_categories_are_split_by_given_vectors():
    """Clusters below a category come from the given vectors, not from words."""
    catalog = [Item(str(n), "The same title", path=("Tea",)) for n in range(24)]
    rows = np.eye(2, dtype=np.float32)[np.arange(24) % 2]
    np.save("rows.npy", rows)
    built("paths", catalog, given=VectorFile("rows.npy"))

    with ItemTree.open("paths.tree") as tree:
        leaves = tree.rows("SELECT id FROM node WHERE leaf")
        sides = [{each.number % 2 for each in tree.items_in([leaf])} for (leaf,) in leaves]
    assert all(len(side) == 1 for side in sides)


def test_large_categories_grow_in_processes(monkeypatch):
    """The number of workers does not change the tree."""
    chance = np.random.default_rng(1)
    words = [f"word{n}" for n in range(60)]
    catalog = [
        Item(str(n), " ".join(chance.choice(words, 4)), path=("Tea",) if n % 9 else ("Coffee",))
        for n in range(600)
    ]

    def stored(workers):
        built("paths", catalog, workers=workers)
        with ItemTree.open("paths.tree") as tree:
            return tree.rows("SELECT id, leaf FROM item"), tree.rows("SELECT description FROM node")

    monkeypatch.setattr(subtree_growth, "MIN_SIZE_FOR_PROCESSES", 300)

    assert stored(1) == stored(2)


def test_a_catalog_without_paths_is_refused():
    """Nothing is written, and the message names columns that could hold paths."""
    catalog = [Item(each.id, each.title, attributes={"shelf": ("Tea",)}) for each in items()]

    with pytest.raises(TreeError) as raised:
        built(catalog=catalog)

    assert "--path shelf, or --tree clusters." == raised.value.remedy
    assert not Path("paths.tree").exists()


def test_an_unknown_kind_of_tree_is_refused():
    """The message names the three kinds."""
    with pytest.raises(TreeError) as raised:
        BuildOptions(tree="path")

    assert "one of clusters, paths, paths+clusters." == raised.value.remedy
