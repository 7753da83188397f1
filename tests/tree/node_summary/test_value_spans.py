import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.tree.node_summary.value_spans import (
    merge_spans,
    narrow_ranges,
    span,
    spans_by_group,
)


@given(st.lists(st.floats(-100, 100) | st.just(float("nan")), max_size=60))
def test_a_span_holds_nearly_all_known_values(values):
    """At most a twentieth lies outside at each end; where most are unknown, there is no span."""
    found = span(np.array(values))

    known = sorted(value for value in values if value == value)
    if len(known) < max(2, len(values) // 2):
        assert found is None
    else:
        low, high = found
        assert sum(value < low for value in known) <= len(known) / 20
        assert sum(value > high for value in known) <= len(known) / 20
        assert known[0] <= low <= high <= known[-1]


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-100, 100)), min_size=1, max_size=60))
def test_spans_of_groups_equal_the_span_of_each(pairs):
    """Each group gets the span of its own values, and none where it has too few."""
    owners, values = map(np.array, zip(*pairs, strict=True))
    expected = {n: span(values[owners == n]) for n in range(5)}

    found = spans_by_group(values, owners, np.bincount(owners, minlength=5))

    assert {n: each for n, each in expected.items() if each} == found


def test_merged_spans_weigh_parts_by_their_size():
    """A tiny part does not widen the span, and an attribute of few items gets none."""
    parts = [
        ({"year": (1900.0, 1950.0), "pages": (1.0, 2.0)}, 40),
        ({"year": (1920.0, 1990.0)}, 60),
        ({"year": (0.0, 3000.0)}, 1),
    ]

    assert {"year": (1900.0, 1990.0)} == merge_spans(parts)


def test_only_ranges_narrower_than_the_parent_are_kept():
    """A range is at most half as wide as the parent's, and known for both."""
    own = {"year": (1900.0, 1950.0), "pages": (0.0, 51.0), "price": (1.0, 2.0)}
    outer = {"year": (1850.0, 1950.0), "pages": (0.0, 100.0)}

    assert ["year 1900\u20131950"] == [each.text() for each in narrow_ranges(own, outer)]
