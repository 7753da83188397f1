from dataclasses import replace

import pytest

from tests import trees
from unillmrec.building import build
from unillmrec.items import Item
from unillmrec.store import ROOT, EditableTree, ItemTree
from unillmrec.store.survey import (
    branch_ids,
    count_nodes,
    count_stale_summaries,
    count_summaries,
    find_items,
    fingerprint,
    item_numbers,
    leaf_ids,
    leaves_left_to_right,
    measure_shape,
    summary_ages,
)
from unillmrec.updating.changer import TreeChanger


def test_counts_nodes_and_items(tmp_path):
    """The numbers equal those of a walk over all nodes."""
    with trees.tree(tmp_path) as tree:
        counted = measure_shape(tree)
        nodes = [tree.node(number) for number in range(1, int(tree.facts["next_node"]))]
        children = [len(tree.children(node.id)) for node in nodes]
    leaves = [node.size for node in nodes if node.is_leaf]

    assert (300, len(leaves), len(nodes) - len(leaves)) == (
        counted.items,
        counted.leaves,
        counted.branches,
    )
    assert (max(node.depth for node in nodes), min(leaves), max(leaves), max(children)) == (
        counted.depth,
        counted.smallest_leaf,
        counted.largest_leaf,
        counted.most_children,
    )


def test_one_item_is_a_tree(tmp_path):
    """A tree with one leaf has a shape too."""
    build([Item("a", "Emma")], tmp_path / "one.tree")

    with ItemTree.open(tmp_path / "one.tree") as tree:
        counted = measure_shape(tree)

    assert (1, 1, 0, 0, 1, 0) == (
        counted.items,
        counted.leaves,
        counted.branches,
        counted.depth,
        counted.largest_leaf,
        counted.most_children,
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    path = tmp_path_factory.mktemp("shop") / "shop.tree"
    titles = ["100% Wool", "100 Wools", "A_b", "Axb", "Été", "ÉTÉ 2", "back\\slash", "Plain"]
    build([Item(f"id-{n}", title) for n, title in enumerate(titles)], path)
    with ItemTree.open(path) as tree:
        yield tree


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("100%", ["100% Wool"]),
        ("a_B", ["A_b"]),
        ("été", ["Été", "ÉTÉ 2"]),
        ("\\s", ["back\\slash"]),
        ("ID-7", ["Plain"]),
        ("wool", ["100% Wool", "100 Wools"]),
        ("zebra", []),
    ],
)
def test_finds_items_that_contain_the_text(shop, text, titles):
    """Case is ignored, and no character is a wildcard."""
    items, count = find_items(shop, text, 10)

    assert titles == [each.item.title for each in items]
    assert len(titles) == count


def test_counts_more_than_it_returns(shop):
    """The count includes the items beyond the limit."""
    items, count = find_items(shop, "", 3)

    assert (3, 8) == (len(items), count)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A tree of three hundred items in several levels."""
    with trees.tree(tmp_path_factory.mktemp("survey")) as opened:
        yield opened


def walk(tree, node_id=ROOT):
    """Return the nodes of a tree, depth first."""
    below = [node for child in tree.children(node_id) for node in walk(tree, child.id)]
    return [tree.node(node_id), *below]


def test_lists_leaves_and_branches(tree):
    """The ids equal those of a walk over all nodes, in the documented order."""
    nodes = walk(tree)
    leaves = [node for node in nodes if node.is_leaf]
    branches = sorted((node.depth, node.id) for node in nodes if not node.is_leaf)

    assert len(nodes) == count_nodes(tree)
    assert [leaf.id for leaf in leaves] == leaves_left_to_right(tree)
    assert sorted(leaf.id for leaf in leaves) == leaf_ids(tree)
    assert sorted(leaf.id for leaf in leaves if leaf.size >= 9) == leaf_ids(tree, min_size=9)
    assert [node_id for _, node_id in branches] == branch_ids(tree)
    assert [node_id for depth, node_id in branches if depth < 2] == branch_ids(tree, depth=2)
    assert list(range(300)) == item_numbers(tree)


def test_counts_summaries_and_stale_ones(tmp_path):
    """A summary is stale when more than a share of the items changed since it was written."""
    trees.tree(tmp_path).close()
    with EditableTree.open(tmp_path / "words.tree") as tree:
        first, second = tree.children(ROOT)[:2]
        described = replace(first.description, summary="Sea stories.").to_json()
        with tree.transaction():
            tree.set_descriptions([(described, 0, first.id), (described, second.size, second.id)])

        ages = {age.node: age for age in summary_ages(tree)}
        assert (2, 1) == (count_summaries(tree), count_stale_summaries(tree))
        assert (second.id, second.size, second.size, True) == ages[second.id]
        assert not ages[ROOT].has_summary
        assert count_nodes(tree) == len(ages)


def test_the_fingerprint_changes_with_the_tree(tmp_path):
    """Any change of an item alters the sums at the root; reading alters nothing."""
    with trees.tree(tmp_path) as tree:
        before = fingerprint(tree)
        assert before == fingerprint(tree)
    with TreeChanger(tmp_path / "words.tree") as changer:
        changer.delete(["item-007"])

    with ItemTree.open(tmp_path / "words.tree") as tree:
        assert before != fingerprint(tree)
