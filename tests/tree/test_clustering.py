import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, random_array

from unillmrec.tree.clustering import cluster_points, cluster_rows, unit_rows

SEEDS = st.integers(0, 2**32)
KINDS = st.sampled_from(["spread", "bunched", "identical", "zero", "two places", "some zero"])


def sparse_rows(kind, count, seed):
    """Return *count* rows over forty terms that are alike in the way *kind* says."""
    chance = np.random.default_rng(seed)
    if kind == "spread":
        dense = random_array((count, 40), density=0.1, rng=chance).toarray()
    elif kind == "bunched":
        dense = np.repeat(random_array((3, 40), density=0.2, rng=chance).toarray(), count, 0)
        dense = dense[chance.permutation(3 * count)[:count]]
    elif kind == "two places":
        dense = np.eye(40)[np.arange(count) % 2]
    elif kind == "some zero":
        dense = np.eye(40)[chance.integers(0, 40, count)] * (chance.random((count, 1)) < 0.5)
    else:
        dense = np.full((count, 40), float(kind == "identical"))
    return csr_matrix(unit_rows(dense.astype(np.float32)))


@st.composite
def tasks(draw):
    """Draw points, and a number of groups that can hold them with a little or a lot of room."""
    total = draw(st.integers(2, 300))
    count = draw(st.integers(1, min(20, total)))
    cap = math.ceil(total / count * draw(st.floats(1, 2.5)))
    return sparse_rows(draw(KINDS), total, draw(SEEDS)), count, cap, (draw(SEEDS),)


def check_groups(labels, total, count, cap):
    sizes = np.bincount(labels)

    assert total == len(labels) == sizes.sum()
    assert sizes.max() <= cap
    assert sizes.min() >= 1
    assert len(sizes) <= count


@given(tasks())
def test_points_are_parted_within_the_cap(task):
    """Every point has a group, no group is over the cap, and the numbers have no gap."""
    rows, count, cap, seed = task

    check_groups(cluster_points(rows.toarray(), count, cap, seed), rows.shape[0], count, cap)


@given(tasks())
def test_rows_are_parted_within_the_cap(task):
    """Every sparse row has a group, no group is over the cap, and the numbers have no gap."""
    rows, count, cap, seed = task

    check_groups(cluster_rows(rows, count, cap, seed), rows.shape[0], count, cap)


@given(SEEDS, KINDS, st.integers(60, 400))
def test_no_group_is_tiny_where_there_is_room(seed, kind, total):
    """With half as much room again as needed, no group has less than a fifth of an even share."""
    count = math.ceil(total / 30)
    cap = math.ceil(1.5 * total / count)

    labels = cluster_rows(sparse_rows(kind, total, seed), count, cap, (seed,))

    assert np.bincount(labels).min() >= 0.2 * total / count


@pytest.mark.parametrize("part", [cluster_points, cluster_rows])
def test_the_same_seed_gives_the_same_groups(part):
    """Nothing but the points and the seed decides."""
    rows = sparse_rows("spread", 500, 1)
    points = rows if part is cluster_rows else rows.toarray()

    once, again = (part(points, 8, 90, (7, 1)) for _ in range(2))

    assert once.tolist() == again.tolist()


@pytest.mark.parametrize("part", [cluster_points, cluster_rows])
def test_finds_groups_that_are_there(part):
    """Points around four directions are parted by those."""
    topics = np.arange(200) % 4
    chance = np.random.default_rng(0)
    dense = np.eye(40)[topics * 10 + chance.integers(0, 3, 200)] + np.eye(40)[topics * 10]
    points = unit_rows(dense.astype(np.float32))

    labels = part(csr_matrix(points) if part is cluster_rows else points, 4, 75, (0,))

    assert 4 == len(set(zip(topics.tolist(), labels.tolist(), strict=True)))


def test_too_little_room_is_a_mistake_of_the_caller():
    """Groups that cannot hold the points are not asked for."""
    with pytest.raises(AssertionError, match="2 groups of 3 cannot hold 10 points"):
        cluster_points(np.ones((10, 2), np.float32), 2, 3, (0,))


def test_unit_rows_leaves_rows_without_weight_alone():
    """Rows get length one; zero stays zero."""
    rows = unit_rows(np.array([[3, 4], [0, 0]], np.float32))

    assert [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]] == rows.tolist()


def test_many_rows_are_parted_without_scikit_learn():
    """Loading it takes longer than most changes of a tree take altogether."""
    code = (
        "import sys, numpy, scipy.sparse; from unillmrec.tree.clustering import cluster_rows;"
        "cluster_rows(scipy.sparse.eye_array(2000, format='csr', dtype='f4'), 4, 750, (0,));"
        "print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "False" == done.stdout.strip()
