import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, random_array

from unillmrec.items import Item
from unillmrec.tree.clustering import one_thread, unit_rows
from unillmrec.tree.growing import Bounds, Growth, Shape, flatten, grow
from unillmrec.tree.terms import TermCounter

NARROW = Bounds(fan_out=4, most_children=6, root_children=8, leaf_target=10, leaf_capacity=16)


def shape_of(points, bounds=NARROW, seed=0):
    everything = np.arange(points.shape[0])
    with one_thread():
        return Shape.of(flatten(grow(points, everything, bounds, (seed,)), bounds))


def random_rows(count, seed, density=0.05):
    dense = random_array((count, 60), density=density, rng=np.random.default_rng(seed)).toarray()
    return csr_matrix(unit_rows(dense.astype(np.float32)))


def check(shape, total, bounds):
    """Assert what holds for every tree over *total* items."""
    children = shape.children()
    leaf_sizes = [shape.ends[n] - shape.starts[n] for n, leaf in enumerate(shape.leaves) if leaf]

    assert list(range(total)) == sorted(shape.order.tolist())
    assert total == sum(leaf_sizes)
    assert max(leaf_sizes) <= bounds.leaf_capacity
    assert min(leaf_sizes) >= min(total, bounds.leaf_target // 6)
    assert len(children[0]) <= bounds.root_children
    assert all(len(each) <= bounds.fan_out for each in children[1:])
    for node, below in enumerate(children):
        start, end = shape.starts[node], shape.ends[node]
        assert shape.leaves[node] == (not below)
        assert 1 != len(below), "a branch of one is no choice"
        assert all(shape.depths[child] == shape.depths[node] + 1 for child in below)
        if below:
            edges = [start, *(shape.ends[child] for child in below)]
            assert edges[:-1] == [shape.starts[child] for child in below]
            assert edges[-1] == end
        else:
            held = shape.order[start:end].tolist()
            assert sorted(held) == held
    assert all(parent < n for n, parent in enumerate(shape.parents))


@given(st.integers(1, 600), st.integers(0, 2**32), st.sampled_from([0.0, 0.005, 0.05, 0.3]))
def test_every_tree_keeps_its_bounds(total, seed, density):
    """Every item is in one leaf, no node is too large, and no branch has a single child."""
    check(shape_of(random_rows(total, seed, density), seed=seed), total, NARROW)


@given(st.integers(1, 400), st.integers(0, 2**32))
def test_given_vectors_make_a_tree_too(total, seed):
    """Trees over dense points keep the same bounds."""
    points = np.random.default_rng(seed).normal(size=(total, 8)).astype(np.float32)

    check(shape_of(unit_rows(points)), total, NARROW)


@pytest.mark.parametrize("total", [1, 2, 25, 50, 51, 52, 61, 101, 480, 481, 1_000])
def test_the_usual_bounds_hold(total):
    """With default bounds, leaves have 5 to 50 items if the catalog has that many."""
    check(shape_of(random_rows(total, total), Bounds()), total, Bounds())


@pytest.mark.parametrize("title", [pytest.param("The same title", marks=pytest.mark.slow), "…"])
def test_ten_thousand_items_with_the_same_title(title):
    """Identical items still get leaves of the usual size."""
    counter = TermCounter()
    for number in range(10_000):
        counter.add(Item(str(number), title))
    _, rows = counter.finish()

    check(shape_of(rows, Bounds()), 10_000, Bounds())


def test_the_same_seed_gives_the_same_tree():
    """It depends only on the points, the bounds and the seed."""
    rows = random_rows(700, 3)

    one, again, other = (shape_of(rows, seed=seed).order.tolist() for seed in (4, 4, 5))

    assert one == again
    assert one != other


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (51, (2, 39)),  # two leaves
        (200, (7, 43)),
        (400, (14, 43)),
        (480, (16, 45)),
        (800, (16, 75)),  # more than sixteen leaves hold
        (100_000, (16, 9_375)),
    ],
)
def test_groups_for_a_number_of_items(count, expected):
    """There is a group for each wanted leaf, up to the fan-out, with 1.5 times the room needed."""
    assert expected == Bounds().groups_for(count)


@given(st.integers(51, 10**7))
def test_groups_can_always_hold_the_items(count):
    """A split makes smaller parts that hold all items."""
    groups, cap = Bounds().groups_for(count)

    assert groups * cap >= count > cap
    assert 2 <= groups <= 16


def leaf(*rows):
    return Growth(np.array(rows), [])


def branch(*children):
    return Growth(None, list(children))


def rows_of(node):
    return (
        node.rows.tolist() if node.rows is not None else [rows_of(each) for each in node.children]
    )


def test_small_branches_are_replaced_by_their_children():
    """The smallest branch comes first, if the parent has room for its children."""
    small = branch(leaf(1), leaf(2))
    large = branch(leaf(3), leaf(4), leaf(5))
    root = branch(leaf(0), small, large)

    flat = flatten(root, Bounds(root_children=4))

    assert [[0], [1], [2], [[3], [4], [5]]] == rows_of(flat)


def test_only_the_root_may_be_wider_than_the_fan_out():
    """A branch takes children up to the fan-out, the root up to its own bound."""
    inner = branch(branch(leaf(0), leaf(1)), branch(leaf(2), leaf(3)))
    root = branch(inner, leaf(4))

    flat = flatten(root, Bounds(fan_out=3, root_children=4))

    assert [[0], [1], [[2], [3]], [4]] == rows_of(flat)


def test_a_tree_of_one_leaf_has_a_shape():
    """The root may be a leaf."""
    shape = Shape.of(leaf(2, 0, 1))

    assert ([-1], [0], [0], [3], [True]) == (
        shape.parents,
        shape.depths,
        shape.starts,
        shape.ends,
        shape.leaves,
    )
    assert [0, 1, 2] == shape.order.tolist()
    assert [[]] == shape.children()
