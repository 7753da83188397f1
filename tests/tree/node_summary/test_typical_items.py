import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from unillmrec.tree.node_summary.typical_items import (
    KEPT_TITLES,
    largest,
    leaf_typicality,
    most_typical,
)


@given(st.lists(st.integers(-5, 5), max_size=30), st.integers(1, 10))
def test_the_largest_values_come_in_order(values, count):
    """Largest first, equal ones by position, so that descriptions depend on no sort algorithm."""
    expected = sorted(range(len(values)), key=lambda place: (-values[place], place))[:count]

    assert expected == largest(np.array(values, np.float32), count)


@given(st.lists(st.lists(st.integers(-3, 3), max_size=6), min_size=1, max_size=8))
def test_the_most_typical_rows_of_leaves_are_the_largest_of_each(leaves):
    """Ties go to the earlier row, and an empty leaf has no typical row."""
    ends = np.cumsum([0, *map(len, leaves)])
    values = np.array([value for leaf in leaves for value in leaf], np.float64)

    assert [
        [start + place for place in largest(np.array(leaf, np.float64), KEPT_TITLES)]
        for start, leaf in zip(ends.tolist(), leaves, strict=False)
    ] == most_typical(values, ends)


def test_an_item_with_more_terms_is_more_typical():
    """Of two items that are equally near to the sum of their leaf, the one that says more wins."""
    rows = csr_matrix(np.array([[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1]], np.float32))
    sums = csr_matrix(np.array([[0, 0, 1], [1, 1, 0]], np.float32))

    values = leaf_typicality(rows, np.array([0, 2, 3]), sums, [1, 0])

    assert [1 / 5, 2 / 6, 1 / 5] == values.tolist()
