import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.building.shards.sorted_values import value_at_rank


@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, width=64), max_size=6), min_size=1, max_size=4
    ).filter(any)
)
def test_the_value_at_a_rank_of_sorted_parts(parts):
    """It is what joining and sorting all parts would give."""
    arrays = [np.sort(np.array(part, np.float64)) for part in parts]
    joined = np.sort(np.concatenate(arrays))

    for rank in range(len(joined)):
        assert joined[rank] == value_at_rank(arrays, rank)
