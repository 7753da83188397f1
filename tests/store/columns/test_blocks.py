import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.store.columns.blocks import BLOCK, Block


def masked(places):
    present = np.zeros(BLOCK, np.bool_)
    present[sorted(places)] = True
    return present


PLACES = st.one_of(
    st.sets(st.integers(0, BLOCK - 1), max_size=40),
    st.integers(0, BLOCK).map(range),
    st.integers(0, 7).map(lambda first: range(first, BLOCK, 3)),
)
NUMBERS = st.one_of(
    st.integers(-200, 200),
    st.integers(-(2**31), 2**31),
    st.floats(allow_nan=False),
)


@given(places=PLACES, numbers=st.lists(NUMBERS, min_size=1, max_size=6))
def test_numbers_come_back(places, numbers):
    """Whatever is present, in however few bytes it is kept, every number is as it was."""
    present = masked(places)
    values = np.resize(np.array(numbers, np.float64), present.sum())

    kept = Block.unpack(Block(present, values).pack())

    assert present.tolist() == kept.present.tolist()
    assert values.tolist() == kept.values.tolist()
    assert kept.counts is None


@given(
    places=PLACES,
    codes=st.lists(st.integers(-(2**63), 2**16), min_size=1, max_size=6),
    counts=st.lists(st.sampled_from([1, 2, 5, 300]), min_size=1, max_size=5),
)
def test_lists_come_back(places, codes, counts):
    """Each item keeps its own number of codes."""
    present = masked(places)
    lengths = np.resize(np.array(counts), present.sum())
    values = np.resize(np.array(codes, np.int64), lengths.sum())

    kept = Block.unpack(Block(present, values, lengths).pack())

    assert present.tolist() == kept.present.tolist()
    assert lengths.tolist() == kept.counts.tolist()
    assert values.tolist() == kept.values.tolist()


@pytest.mark.parametrize(
    ("places", "values", "size"),
    [
        (range(BLOCK), [1900.0, 2026.0], 3 + 2 * BLOCK),
        (range(BLOCK), [0, 1], 3 + BLOCK),
        (range(BLOCK), [0.5, 1], 3 + 8 * BLOCK),
        (range(2000), [7], 3 + BLOCK // 8 + 2000),
        ([4000], [7], 3 + 2 + 2 + 1),
        ([], [7], 3 + 2),
    ],
)
def test_is_packed_small(places, values, size):
    """Whole numbers take what they need, and a rare attribute next to nothing."""
    present = masked(places)

    packed = Block(present, np.resize(np.array(values), present.sum())).pack()

    assert size == len(packed)


@pytest.mark.parametrize(
    "packed", [b"", b"\x00", b"\x07\x00\xff", b"\x00\x63\xff", b"\x00\x00\xff\x01", b"\x02\x00\xff"]
)
def test_damage_is_noticed(packed):
    """Bytes that are no block are an error rather than values."""
    with pytest.raises(ValueError, match=r".+"):
        Block.unpack(packed)
