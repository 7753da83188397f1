import pytest

from tests import trees
from unillmrec.building import BuildOptions, build
from unillmrec.items import Item
from unillmrec.store.invariants import find_breaches
from unillmrec.tree.growing import Bounds
from unillmrec.updating.changer import TreeChanger

BOUNDS = Bounds(fan_out=3, most_children=5, root_children=6, leaf_target=10, leaf_capacity=15)
TOPICS = {"sea": "whale harbour tide", "space": "orbit comet rocket", "crime": "alibi clue jury"}


def item(topic, number):
    """Return an item that clearly belongs to its topic."""
    return Item(f"{topic}-{number}", f"{TOPICS[topic]} {topic} {number % 3}")


@pytest.fixture
def changer(tmp_path):
    """A tree of three topics with a leaf of twelve items each."""
    items = [item(topic, number) for topic in TOPICS for number in range(12)]
    build(items, tmp_path / "a.tree", BuildOptions(bounds=BOUNDS, workers=1))
    with TreeChanger(tmp_path / "a.tree") as changer:
        yield changer
        assert [] == list(find_breaches(changer.tree))


def topics_by_leaf(tree):
    """Return which topics each leaf holds."""
    leaves = [node for node, is_leaf in tree.subtree(1) if is_leaf]
    found = {leaf: set() for leaf in leaves}
    for placed in tree.items_in(leaves):
        found[placed.leaf].add(placed.item.id.split("-")[0])
    return found


def test_an_overfull_leaf_is_split_by_content(changer):
    """A leaf over its capacity becomes two, and no leaf holds a second topic."""
    report = changer.insert([item("sea", number) for number in range(12, 20)])
    held = topics_by_leaf(changer.tree)

    assert 1 == report.splits
    assert 4 <= len(held)
    assert all(len(topics) == 1 for topics in held.values())


def test_small_changes_do_not_split_and_merge_again_and_again(changer):
    """A few items that come and go leave the nodes as they are."""
    before = [node for node, _ in changer.tree.subtree(1)]
    for _ in range(5):
        changer.insert([item("sea", 90), item("crime", 91)])
        changer.delete(["sea-90", "crime-91"])

    assert before == [node for node, _ in changer.tree.subtree(1)]


def test_a_nearly_empty_leaf_is_dissolved(changer):
    """The last items of a leaf below five items move to their nearest leaves."""
    changer.delete([f"space-{number}" for number in range(9)])
    held = topics_by_leaf(changer.tree)

    assert 2 == len(held)
    assert 27 == len(changer.tree)


def test_a_leaf_counts_the_items_it_takes_in(changer):
    """Items from a dissolved leaf make the summary of their new leaf older, but not the root's."""
    tree = changer.tree
    with tree.transaction():
        query = "SELECT json_set(description, '$.summary', 'a line'), 0, id FROM node"
        tree.set_descriptions(tree.rows(query))
    before = {node.id: node for node in map(tree.node, [each for each, _ in tree.subtree(1)])}
    changer.delete([f"space-{number}" for number in range(9)])
    (home,) = {each.leaf for each in tree.items_by_id(["space-9", "space-10"]).values()}

    taken_in = tree.node(home).size - before[home].size
    assert taken_in > 0
    assert taken_in == tree.node(home).stale == tree.node(home).moved - before[home].moved
    assert 9 == tree.node(1).stale == tree.node(1).moved - before[1].moved


def test_a_tree_that_fits_into_a_leaf_is_only_a_root(changer):
    """A tree with no more items than one leaf should hold has no branches."""
    changer.delete([f"{topic}-{number}" for topic in ("space", "crime") for number in range(12)])
    changer.delete(["sea-0", "sea-1"])

    assert [(1, True)] == changer.tree.subtree(1)


def test_a_subtree_that_changed_by_a_third_is_rebuilt(changer):
    """A subtree with many changes is clustered as a new build would do it."""
    changer.insert([item("sea", number) for number in range(20, 40)])
    unused = {f"sea-{number}" for number in range(12, 20)}
    gone = [f"space-{number}" for number in range(4)] + [f"sea-{n}" for n in range(26)]
    report = changer.delete([each for each in gone if each not in unused])

    assert report.regrown + report.merges >= 1
    assert all(len(topics) == 1 for topics in topics_by_leaf(changer.tree).values())


def test_a_summary_stays_with_its_leaf(tmp_path):
    """A leaf that keeps most of its items keeps its id, its summary, and the summary's age."""
    trees.tree(tmp_path).close()
    with TreeChanger(tmp_path / "words.tree") as changer:
        tree = changer.tree
        with tree.transaction():
            rows = tree.rows(
                "SELECT json_set(description, '$.summary', 'line of ' || id), 0, id FROM node"
            )
            tree.set_descriptions(rows)
        changer.delete([f"item-{number:03}" for number in range(0, 300, 4)])
        kept = [tree.node(node) for node, _ in tree.subtree(1)]

        described = [node for node in kept if node.description.summary]
        assert len(described) > len(kept) / 3
        assert all(f"line of {node.id}" == node.description.summary for node in described)
        assert any(node.stale for node in described)
        assert all(not node.stale for node in kept if not node.description.summary)
        assert [] == list(find_breaches(tree))
