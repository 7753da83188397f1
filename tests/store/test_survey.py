import pytest

from tests import trees
from unillmrec.building import build
from unillmrec.items import Item
from unillmrec.store import ItemTree
from unillmrec.store.survey import find_items, survey


def test_a_survey_counts_what_is_there(tmp_path):
    """The numbers are those that a walk over all nodes finds."""
    with trees.tree(tmp_path) as tree:
        counted = survey(tree)
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
    """A tree of a single leaf is surveyed as well."""
    build([Item("a", "Emma")], tmp_path / "one.tree")

    with ItemTree.open(tmp_path / "one.tree") as tree:
        counted = survey(tree)

    assert (1, 1, 0, 0, 1, 0) == (
        counted.items,
        counted.leaves,
        counted.branches,
        counted.depth,
        counted.largest_leaf,
        counted.most_children,
    )


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    path = tmp_path_factory.mktemp("odd") / "odd.tree"
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
def test_finds_exactly_what_contains_the_text(odd, text, titles):
    """Case does not matter, and no letter of the text means anything else."""
    found, count = find_items(odd, text, 10)

    assert titles == [each.item.title for each in found]
    assert len(titles) == count


def test_counts_more_than_it_returns(odd):
    """The count is of all, also of those beyond the limit."""
    found, count = find_items(odd, "", 3)

    assert (3, 8) == (len(found), count)
