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
    """Return *count* rows over forty terms with a *kind* of similarity."""
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
    """Draw points, and groups that can hold them with little or much room."""
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
def test_points_are_clustered_within_the_cap(task):
    """Every point has a group, no group exceeds the cap, and the numbers have no gaps."""
    rows, count, cap, seed = task

    check_groups(cluster_points(rows.toarray(), count, cap, seed), rows.shape[0], count, cap)


@given(tasks())
def test_rows_are_clustered_within_the_cap(task):
    """Every sparse row has a group, no group exceeds the cap, and the numbers have no gaps."""
    rows, count, cap, seed = task

    check_groups(cluster_rows(rows, count, cap, seed), rows.shape[0], count, cap)


@given(SEEDS, KINDS, st.integers(60, 400))
def test_no_group_is_tiny_where_there_is_room(seed, kind, total):
    """With 1.5 times the room needed, no group has less than a fifth of an even share."""
    count = math.ceil(total / 30)
    cap = math.ceil(1.5 * total / count)

    labels = cluster_rows(sparse_rows(kind, total, seed), count, cap, (seed,))

    assert np.bincount(labels).min() >= 0.2 * total / count


@pytest.mark.parametrize("part", [cluster_points, cluster_rows])
def test_the_same_seed_gives_the_same_groups(part):
    """They depend only on the points and the seed."""
    rows = sparse_rows("spread", 500, 1)
    points = rows if part is cluster_rows else rows.toarray()

    once, again = (part(points, 8, 90, (7, 1)) for _ in range(2))

    assert once.tolist() == again.tolist()


@pytest.mark.parametrize("part", [cluster_points, cluster_rows])
def test_existing_groups_are_found(part):
    """Points around four directions get four groups."""
    topics = np.arange(200) % 4
    chance = np.random.default_rng(0)
    dense = np.eye(40)[topics * 10 + chance.integers(0, 3, 200)] + np.eye(40)[topics * 10]
    points = unit_rows(dense.astype(np.float32))

    labels = part(csr_matrix(points) if part is cluster_rows else points, 4, 75, (0,))

    assert 4 == len(set(zip(topics.tolist(), labels.tolist(), strict=True)))


def test_groups_that_cannot_hold_the_points_are_a_programming_error():
    """The assertion has the numbers."""
    with pytest.raises(AssertionError, match="2 groups of 3 cannot hold 10 points"):
        cluster_points(np.ones((10, 2), np.float32), 2, 3, (0,))


def test_unit_rows_scales_rows_to_length_one():
    """Rows without weight stay zero."""
    rows = unit_rows(np.array([[3, 4], [0, 0]], np.float32))

    assert [[pytest.approx(0.6), pytest.approx(0.8)], [0, 0]] == rows.tolist()


def test_clustering_does_not_load_scikit_learn():
    """Loading it takes longer than most changes of a tree."""
    code = (
        "import sys, numpy, scipy.sparse; from unillmrec.tree.clustering import cluster_rows;"
        "cluster_rows(scipy.sparse.eye_array(2000, format='csr', dtype='f4'), 4, 750, (0,));"
        "print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "False" == done.stdout.strip()
