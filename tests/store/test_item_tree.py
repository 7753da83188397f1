from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests import trees
from unillmrec.building import BuildOptions, build
from unillmrec.errors import StoreError
from unillmrec.items import Item
from unillmrec.store import ROOT, ItemTree
from unillmrec.tree.terms import TermCounter
from unillmrec.tree.vectors import similarities

IDS = ["tt0111161", "tt0111192", "tt0068646", "a", "ab", "Ünï", "99", "x y"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A tree of three hundred items in several levels."""
    with trees.tree(tmp_path_factory.mktemp("item_tree")) as opened:
        yield opened


@pytest.fixture
def shop():
    """A small tree of items with all kinds of fields."""
    items = [Item(each, f"Title of {each}") for each in IDS]
    full = {"year": 1999, "price": 9.5, "stock": True, "tags": ("slow", "blue"), "maker": "Ann"}
    items.append(Item("full", "All\nof it", "A text. 全", ("Films", "Drama"), full))
    build(items, "shop.tree", BuildOptions(workers=1))
    with ItemTree.open("shop.tree") as opened:
        yield opened


def nodes_of(tree):
    return {row[0]: row[1:] for row in tree.rows("SELECT id, parent, size, leaf, depth FROM node")}


def test_an_item_is_read_as_it_was_written(shop):
    """Every field keeps its type; lists are tuples again."""
    full = {"year": 1999, "price": 9.5, "stock": True, "tags": ("slow", "blue"), "maker": "Ann"}

    placed = shop.items_by_id(["full"])["full"]

    assert Item("full", "All\nof it", "A text. 全", ("Films", "Drama"), full) == placed.item
    assert len(IDS) == placed.number
    assert True is placed.item.attributes["stock"]


def test_the_stored_nodes_are_a_tree(tree):
    """Sizes add up, depths grow by one, leaves hold the items, and every item has one leaf."""
    nodes = nodes_of(tree)
    children = {node: [each.id for each in tree.children(node)] for node in nodes}

    assert (None, 300, 0, 0) == nodes[ROOT]
    assert sorted(nodes) == sorted([ROOT, *(each for below in children.values() for each in below)])
    for node, (_, size, leaf, depth) in nodes.items():
        if leaf:
            assert [] == children[node]
            assert size == len(tree.items_in([node]))
        else:
            assert size == sum(nodes[child][1] for child in children[node])
            assert {depth + 1} == {nodes[child][3] for child in children[node]}
    leaves = [node for node, (_, _, leaf, _) in nodes.items() if leaf]
    assert list(range(300)) == sorted(each.number for each in tree.items_in(leaves))


def test_items_come_leaf_by_leaf(tree):
    """Items come in the order of the requested leaves, and of the catalog inside each."""
    leaves = [node for node, (_, _, leaf, _) in nodes_of(tree).items() if leaf]
    wanted = [leaves[3], leaves[0], leaves[5]]

    items = tree.items_in(wanted)

    assert wanted == list(dict.fromkeys(each.leaf for each in items))
    for leaf in wanted:
        numbers = [each.number for each in items if each.leaf == leaf]
        assert sorted(numbers) == numbers
    assert [] == tree.items_in([])
    assert [each.number for each in items] == tree.item_numbers_in(wanted)


def test_ancestors_are_the_path_from_the_root(tree):
    """The root itself is not part of it; its own path is empty."""
    nodes = nodes_of(tree)

    for node in nodes:
        path = [each.id for each in tree.ancestors(node)]
        assert nodes[node][3] == len(path)
        assert [ROOT, *path][:-1] == [nodes[each][0] for each in path]
    assert [] == tree.ancestors(ROOT)
    assert {node: tree.ancestors(node) for node in nodes} == tree.ancestors_by_node(nodes)


def test_an_unknown_node_is_reported(tree):
    """The error names the file and the node."""
    with pytest.raises(StoreError, match=r"words\.tree has no node 999"):
        tree.node(999)
    with pytest.raises(StoreError, match=r"there is no node 999"):
        tree.ancestors_by_node([ROOT, 999])


def test_vectors_are_those_of_the_build(tree):
    """Items have half precision, nodes the sum of their items' rows."""
    counter = TermCounter()
    for item in trees.items():
        counter.add(item)
    _, rows = counter.finish()

    for number, vector in zip([7, 0, 299], tree.item_vectors([7, 0, 299]), strict=True):
        spread = np.zeros(rows.shape[1])
        spread[vector.ids] = vector.weights
        assert spread == pytest.approx(rows[[number]].toarray()[0], abs=1e-3)
    (root,) = tree.node_vectors([ROOT])
    spread = np.zeros(rows.shape[1])
    spread[root.ids] = root.weights
    assert spread == pytest.approx(rows.toarray().sum(0), rel=1e-4)


def test_a_text_has_the_vector_of_an_equal_item():
    """The vector of a text equals the row of the item with the same words."""
    titles = ["Big red fox", "Blue dog", "Red, red rose", "日本の庭"]
    build([Item(str(n), title) for n, title in enumerate(titles)], "t.tree")

    with ItemTree.open("t.tree") as tree:
        for number, title in enumerate(titles):
            (row,) = tree.item_vectors([number])
            vector = tree.vector_of_text(title)
            assert row.ids.tolist() == vector.ids.tolist()
            assert row.weights == pytest.approx(vector.weights, rel=1e-3)
        assert [] == tree.vector_of_text("zzz").ids.tolist()


def test_a_text_matches_singular_and_plural_and_ignores_function_words():
    """The query "dogs with foxes" means dog and fox, and not the title "With"."""
    items = [Item("1", "Blue dog", "runs"), Item("2", "Red fox", "hides"), Item("3", "With", "in")]
    build(items, "t.tree")

    with ItemTree.open("t.tree") as tree:
        vector = tree.vector_of_text("dogs with the foxes")
        cosines = [float(near) for near in similarities(vector, tree.item_vectors([0, 1, 2]))]

    assert cosines[0] > 0.3
    assert cosines[1] > 0.3
    assert 0 == cosines[2]


def test_vectors_from_outside_have_no_terms(tmp_path):
    """A text has no vector among vectors that come from outside."""
    with trees.given_tree(tmp_path) as tree:
        assert tree.vector_of_text("sea") is None
        assert all(each.ids is None for each in tree.item_vectors([0, 7]))


@pytest.mark.parametrize(
    ("item_id", "expected"),
    [
        ("tt011116", "tt0111161"),
        ("tt0111193", "tt0111192"),
        ("tt00686466", "tt0068646"),
        ("Ünx", "Ünï"),
        ("t9999999", None),
        ("zzz", None),
        ("", None),
        ("\udcff", None),
        ("a\U0010ffff", "a"),
        ("a' OR 1=1 --", None),
    ],
)
def test_the_nearest_id(shop, item_id, expected):
    """An id with the same beginning that looks similar is suggested, but no distant one."""
    assert expected == shop.nearest_id(item_id)


def test_unknown_ids_are_left_out(shop):
    """The caller can tell which are missing."""
    assert ["a", "99"] == sorted(shop.items_by_id(["99", "nope", "a", "\udcff"]), reverse=True)
    assert [2] == list(shop.items_by_number([2, 100]))


def test_many_ids_at_once(shop):
    """It is one query, however many ids there are."""
    unknown = [f"no-{n}" for n in range(100_000)]

    assert ["ab"] == list(shop.items_by_id([*unknown, "ab"]))


def test_threads_share_a_tree(tree):
    """Several judges may read at the same time."""
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda n: tree.items_by_number([n])[n].item.id, range(300)))

    assert [item.id for item in trees.items()] == ids


def test_a_damaged_page_is_reported(tmp_path):
    """Damage inside a file is detected when it is read."""
    trees.tree(tmp_path).close()
    path = tmp_path / "words.tree"
    whole = bytearray(path.read_bytes())
    whole[20_000:] = b"\x55" * len(whole[20_000:])
    path.write_bytes(whole)

    with (
        pytest.raises(StoreError, match="is damaged: database"),
        ItemTree.open(path) as tree,
    ):
        tree.items_by_number(list(range(300)))


def test_a_tree_has_a_readable_repr(tree):
    """It gives the name and the number of items."""
    assert "<ItemTree words.tree: 300 items>" == repr(tree)
    assert 300 == len(tree)
    assert tree.sparse
    assert not tree.has_prior
