import pytest

from tests import trees
from unillmrec.building import BuildOptions, build
from unillmrec.items import Item
from unillmrec.store.invariants import breaches
from unillmrec.tree.growing import Bounds
from unillmrec.updating.changer import TreeChanger

BOUNDS = Bounds(fan_out=3, most_children=5, root_children=6, leaf_target=10, leaf_capacity=15)
TOPICS = {"sea": "whale harbour tide", "space": "orbit comet rocket", "crime": "alibi clue jury"}


def item(topic, number):
    """Return an item that nobody can put under another topic."""
    return Item(f"{topic}-{number}", f"{TOPICS[topic]} {topic} {number % 3}")


@pytest.fixture
def changer(tmp_path):
    """A tree of three topics with a leaf of twelve items each."""
    items = [item(topic, number) for topic in TOPICS for number in range(12)]
    build(items, tmp_path / "a.tree", BuildOptions(bounds=BOUNDS, workers=1))
    with TreeChanger(tmp_path / "a.tree") as changer:
        yield changer
        assert [] == list(breaches(changer.tree))


def topics_by_leaf(tree):
    """Return which topics each leaf holds."""
    leaves = [node for node, is_leaf in tree.subtree(1) if is_leaf]
    found = {leaf: set() for leaf in leaves}
    for placed in tree.items_in(leaves):
        found[placed.leaf].add(placed.item.id.split("-")[0])
    return found


def test_an_overfull_leaf_is_parted_by_content(changer):
    """A leaf that outgrows its bounds becomes two, and no leaf holds a second topic."""
    report = changer.insert([item("sea", number) for number in range(12, 20)])
    held = topics_by_leaf(changer.tree)

    assert 1 == report.splits
    assert 4 <= len(held)
    assert all(len(topics) == 1 for topics in held.values())


def test_nothing_thrashes_between_the_bounds(changer):
    """Items that come and go by the handful leave the nodes what they are."""
    before = [node for node, _ in changer.tree.subtree(1)]
    for _ in range(5):
        changer.insert([item("sea", 90), item("crime", 91)])
        changer.delete(["sea-90", "crime-91"])

    assert before == [node for node, _ in changer.tree.subtree(1)]


def test_a_nearly_empty_leaf_goes(changer):
    """What is left of a leaf below five items joins the leaf it is nearest to."""
    changer.delete([f"space-{number}" for number in range(9)])
    held = topics_by_leaf(changer.tree)

    assert 2 == len(held)
    assert 27 == len(changer.tree)


def test_who_takes_items_in_was_changed_by_them(changer):
    """A summary is older by the items that came from a leaf that is no more; the root's is not."""
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


def test_a_tree_of_one_leaf_is_a_root(changer):
    """A tree with no more items than one leaf should hold has no branches."""
    changer.delete([f"{topic}-{number}" for topic in ("space", "crime") for number in range(12)])
    changer.delete(["sea-0", "sea-1"])

    assert [(1, True)] == changer.tree.subtree(1)


def test_what_changed_by_a_third_is_grown_anew(changer):
    """A subtree of which much came and went is parted as it would be today."""
    changer.insert([item("sea", number) for number in range(20, 40)])
    unused = {f"sea-{number}" for number in range(12, 20)}
    gone = [f"space-{number}" for number in range(4)] + [f"sea-{n}" for n in range(26)]
    report = changer.delete([each for each in gone if each not in unused])

    assert report.regrown + report.merges >= 1
    assert all(len(topics) == 1 for topics in topics_by_leaf(changer.tree).values())


def test_a_summary_stays_with_the_leaf_that_goes_on(tmp_path):
    """A leaf that keeps most of its items keeps its id, its line, and how old that is."""
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
        assert [] == list(breaches(tree))
