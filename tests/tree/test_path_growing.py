from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from unillmrec.items import Item
from unillmrec.tree.category_paths import PathReader
from unillmrec.tree.growing import Bounds, Growth
from unillmrec.tree.path_growing import grow_paths

NARROW = Bounds(fan_out=4, most_children=5, root_children=7, leaf_target=6, leaf_capacity=10)
KINDS = pytest.mark.parametrize("clusters", [False, True])


def points_for(count: int) -> np.ndarray:
    """Return unit points in a few directions, the same in every call."""
    chance = np.random.default_rng(7)
    points = chance.normal(size=(count, 8)) * 0.1
    points[np.arange(count), np.arange(count) % 5] += 1
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def grown(
    paths: list[tuple[str, ...]], bounds: Bounds = NARROW, *, clusters: bool = False, sparse=False
) -> Growth:
    reader = PathReader()
    for number, path in enumerate(paths):
        reader.add(Item(str(number), "A title", path=path))
    root, _ = reader.finish()
    points = points_for(len(paths))
    return grow_paths(csr_matrix(points) if sparse else points, root, bounds, 3, clusters=clusters)


def drawn(node: Growth) -> object:
    """Return a branch as a dictionary of labels, and a leaf as its number of items."""
    if node.rows is not None:
        return len(node.rows)
    labels = [child.label for child in node.children]
    assert len(labels) == len(set(labels)) or "" in labels
    return {child.label or n: drawn(child) for n, child in enumerate(node.children)}


def leaves(node: Growth, above: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], list[int]]]:
    """Return for each leaf the labels from the root to it, and its rows."""
    here = (*above, node.label)
    if node.rows is not None:
        return [(here, node.rows.tolist())]
    return [leaf for child in node.children for leaf in leaves(child, here)]


def test_branches_are_the_categories_of_the_catalog():
    """Small categories stay as they are; items directly in a branch get a leaf."""
    paths = [("Tea", "Green")] * 4 + [("Tea", "Black")] * 3 + [("Tea",)] * 2 + [("Coffee",)] * 9

    assert {"Coffee": 9, "Tea": {"Black": 3, "Green": 4, "General": 2}} == drawn(grown(paths))


def test_the_same_label_under_two_parents_is_two_leaves():
    """Nothing is merged and nothing is lost, even if labels form a circle."""
    paths = [("A", "B"), ("A", "C"), ("B", "A"), ("B", "C"), ("C", "C")]

    assert {"A": {"B": 1, "C": 1}, "B": {"A": 1, "C": 1}, "C > C": 1} == drawn(grown(paths))


def test_chains_are_joined():
    """A category with a single subcategory is joined with it; a long chain keeps its ends."""
    long = tuple(letter * 50 for letter in "abcdef")
    tree = grown([("Books", "Fiction", "Poems"), ("Films",), long])

    assert {"Books > Fiction > Poems": 1, "Films": 1, f"{'a' * 50} > … > {'f' * 50}": 1} == drawn(
        tree
    )


def test_a_category_of_all_items_is_no_level():
    """A chain at the top is joined into the root."""
    tree = grown([("Shop", "Tea")] * 3 + [("Shop", "Coffee")] * 3 + [("Shop",)])

    assert ("Shop", {"Coffee": 3, "Tea": 3, "General": 1}) == (tree.label, drawn(tree))


def test_items_without_a_path_have_a_branch():
    """It is split like any other category that is too large."""
    tree = grown([("Tea",)] * 3 + [()] * 14)

    assert ["Tea", "No category"] == [child.label for child in tree.children]
    assert [f"No category {number}" for number in (1, 2, 3)] == [
        each.label for each in tree.children[1].children
    ]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([("A", "General"), ("A",), ("B",)], {"A": {"General": 1, "No subcategory": 1}, "B": 1}),
        ([("No category",), ()], {"No category": 1, "Without category": 1}),
        (
            [("A", "General"), ("A", "No subcategory"), ("A",), ("B",)],
            {"A": {"General": 1, "No subcategory": 1, "General (2)": 1}, "B": 1},
        ),
        ([("x" * 300 + "1",), ("x" * 300 + "2",)], {"x" * 59 + "…": 1, "x" * 59 + "… (2)": 1}),
        (
            [("A", "B > C"), ("A", "B", "C"), ("D",)],
            {"A": {"B > C": 1, "B > C (2)": 1}, "D": 1},
        ),
    ],
)
def test_labels_of_siblings_are_distinct(paths, expected):
    """A label that a sibling has is avoided or numbered."""
    assert expected == drawn(grown(paths))


def test_a_large_category_gets_numbered_leaves():
    """Its items are clustered, and the numbers show the place of a leaf."""
    tree = grown([("Drinks", "Tea")] * 120 + [("Coffee",)] * 3)
    labels = [labels for labels, _ in leaves(tree)]

    assert "Drinks > Tea" == tree.children[1].label
    assert {"Tea 1", "Tea 2"} < {labels[2] for labels in labels[1:]}
    assert all(later[-1].startswith(f"{later[-2]}.") for later in labels if len(later) > 3)
    assert any(len(each) > 3 for each in labels)


def test_clusters_of_a_category_have_no_number():
    """With clusters, nodes below a category are described by their content alone."""
    tree = grown([("Tea",)] * 120 + [("Coffee",)] * 7, clusters=True)

    assert {""} == {label for labels, _ in leaves(tree.children[1]) for label in labels[1:]}


def test_too_many_categories_are_grouped_except_for_the_largest():
    """Groups are named after their largest categories."""
    sizes = [3] * 6 + [9, 8]
    paths = [(f"Kind {kind}",) for kind, size in enumerate(sizes) for _ in range(size)]
    tree = grown(paths)

    assert {
        "Kind 0": 3,
        "Kind 1": 3,
        "Kind 6": 9,
        "Kind 7": 8,
        "Kind 2, Kind 3, Kind 4 and 1 more": {f"Kind {kind}": 3 for kind in (2, 3, 4, 5)},
    } == drawn(tree)


def test_categories_are_grouped_by_content():
    """Categories with similar items get into the same branch."""
    paths = [(f"Kind {number % 40:02}",) for number in range(40 * 5)]
    tree = grown(paths)
    topics = [
        Counter(row % 5 for _, rows in leaves(child) for row in rows) for child in tree.children
    ]

    assert len(tree.children) <= NARROW.root_children
    assert 0.6 < np.mean([max(each.values()) / each.total() for each in topics])


def test_small_categories_share_a_leaf_with_clusters():
    """Categories with fewer than five items share a leaf; one that fits into a leaf becomes one."""
    paths = (
        [("Tea", kind) for kind in ("Green", "White", "Black") for _ in range(2)]
        + [("Coffee", "Beans")] * 9
        + [("Coffee", "Ground")] * 8
        + [("Coffee", kind) for kind in ("Pods", "Instant", "Gifts") for _ in range(3)]
    )

    assert {"Coffee": {"Beans": 9, "Ground": 8, "Other Coffee": 9}, "Tea": 6} == drawn(
        grown(paths, clusters=True)
    )


def test_one_small_category_joins_the_next_smallest():
    """If small categories are too small together, the next smallest leaf joins them."""
    coffee = [("Coffee", "Beans")] * 10
    one = [*coffee, ("Coffee", "Pods"), *[("Coffee", "Gifts")] * 6, *[("Tea",)] * 6]
    own = [*coffee, ("Coffee", "Pods"), *[("Coffee",)] * 10, *[("Tea",)] * 6]

    assert {"Coffee": {"Beans": 10, "Other Coffee": 7}, "Tea": 6} == drawn(
        grown(one, clusters=True)
    )
    assert {"Beans", "Other Coffee"} == set(drawn(grown(own, clusters=True))["Coffee"])


def test_items_without_a_path_are_never_mixed_with_those_that_have_one():
    """This holds for small categories too."""
    small = [("Tea",)] * 10 + [("Coffee",)] + [()] * 8
    few = [("Tea",)] * 10 + [("Coffee",)] * 6 + [()]

    assert {"Coffee": 1, "Tea": 10, "No category": 8} == drawn(grown(small, clusters=True))
    assert {"Coffee": 6, "Tea": 10, "No category": 1} == drawn(grown(few, clusters=True))


def test_a_catalog_of_small_categories_gets_clusters():
    """The leaf that they would share is the whole tree, so it is clustered."""
    tree = grown([(f"Kind {number}",) for number in range(60)], clusters=True)

    assert {""} == {label for labels, _ in leaves(tree) for label in labels}
    assert_within(tree, NARROW, 60)


@KINDS
def test_the_same_paths_give_the_same_tree(clusters):
    """This holds for sparse and dense points."""
    paths = [(f"A{number % 7}", f"B{number % 11}") for number in range(300)]

    for sparse in (False, True):
        first, second = (grown(paths, clusters=clusters, sparse=sparse) for _ in range(2))
        assert leaves(first) == leaves(second)


def test_progress_is_reported():
    """It ends at the number of all items."""
    reader = PathReader()
    for number in range(40):
        reader.add(Item(str(number), "A title", path=(f"A{number % 3}",)))
    reports: list[tuple[int, int]] = []
    grow_paths(
        points_for(40),
        reader.finish()[0],
        NARROW,
        0,
        clusters=False,
        on_progress=lambda done, total: reports.append((done, total)),
    )

    assert (3, (40, 40)) == (len(reports), reports[-1])


def assert_within(node: Growth, bounds: Bounds, count: int) -> None:
    """Assert that each item is in one leaf, and that every node keeps its bounds."""
    assert list(range(count)) == sorted(row for _, rows in leaves(node) for row in rows)
    waiting = [(node, bounds.root_children)]
    while waiting:
        at, most = waiting.pop()
        if at.rows is not None:
            assert 0 < len(at.rows) <= bounds.leaf_capacity
            assert not at.children
        else:
            assert 2 <= len(at.children) <= most
        waiting += [(child, bounds.most_children) for child in at.children]


LABELS = st.sampled_from(
    ["a", "A ", "<b>a</b>", "b", "c", "d &amp; e", "General", "Other a", "No category", "", "1."]
)
BOUNDS = st.sampled_from(
    [
        NARROW,
        Bounds(fan_out=2, most_children=2, root_children=2, leaf_target=2, leaf_capacity=3),
        Bounds(fan_out=3, most_children=3, root_children=4, leaf_target=3, leaf_capacity=5),
    ]
)


def cleaned(path: tuple[str, ...]) -> tuple[str, ...]:
    """Return the clean labels that `PathReader` gives for the labels above."""
    known = {"A ": "a", "<b>a</b>": "a", "d &amp; e": "d & e", "1.": "1"}
    return tuple(known.get(label, label).lower() for label in path if label)


PATHS = (
    st.lists(st.tuples(st.lists(LABELS, max_size=12).map(tuple), st.integers(1, 25)), max_size=30)
    .map(lambda drawn: [path for path, times in drawn for _ in range(times)])
    .filter(lambda paths: any(map(cleaned, paths)))
)


@given(PATHS, BOUNDS)
def test_random_paths_are_placed_once_and_never_merged(paths, bounds):
    """Every item has one leaf within the bounds, and no leaf holds items of two categories."""
    tree = grown(paths, bounds)

    assert_within(tree, bounds, len(paths))
    assert all(len({cleaned(paths[row]) for row in rows}) == 1 for _, rows in leaves(tree))


@given(PATHS, BOUNDS)
def test_random_paths_with_clusters_stay_within_bounds(paths, bounds):
    """Every item has one leaf, siblings look different, and items without a path stay apart."""
    tree = grown(paths, bounds, clusters=True)

    assert_within(tree, bounds, len(paths))
    drawn(tree)
    if len(paths) > bounds.leaf_target:
        for _, rows in leaves(tree):
            assert len({not cleaned(paths[row]) for row in rows}) == 1
