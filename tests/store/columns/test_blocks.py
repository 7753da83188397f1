import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.store.columns.blocks import BLOCK, Block


def masked(positions):
    present = np.zeros(BLOCK, np.bool_)
    present[sorted(positions)] = True
    return present


POSITIONS = st.one_of(
    st.sets(st.integers(0, BLOCK - 1), max_size=40),
    st.integers(0, BLOCK).map(range),
    st.integers(0, 7).map(lambda first: range(first, BLOCK, 3)),
)
NUMBERS = st.one_of(
    st.integers(-200, 200),
    st.integers(-(2**31), 2**31),
    st.floats(allow_nan=False),
)


@given(positions=POSITIONS, numbers=st.lists(NUMBERS, min_size=1, max_size=6))
def test_numbers_survive_packing(positions, numbers):
    """Every number is unpacked as it was packed, however few bytes it took."""
    present = masked(positions)
    values = np.resize(np.array(numbers, np.float64), present.sum())

    unpacked = Block.unpack(Block(present, values).pack())

    assert present.tolist() == unpacked.present.tolist()
    assert values.tolist() == unpacked.values.tolist()
    assert unpacked.counts is None


@given(
    positions=POSITIONS,
    codes=st.lists(st.integers(-(2**63), 2**16), min_size=1, max_size=6),
    counts=st.lists(st.sampled_from([1, 2, 5, 300]), min_size=1, max_size=5),
)
def test_lists_survive_packing(positions, codes, counts):
    """Each item has as many codes as before."""
    present = masked(positions)
    lengths = np.resize(np.array(counts), present.sum())
    values = np.resize(np.array(codes, np.int64), lengths.sum())

    unpacked = Block.unpack(Block(present, values, lengths).pack())

    assert present.tolist() == unpacked.present.tolist()
    assert lengths.tolist() == unpacked.counts.tolist()
    assert values.tolist() == unpacked.values.tolist()


@pytest.mark.parametrize(
    ("positions", "values", "size"),
    [
        (range(BLOCK), [1900.0, 2026.0], 3 + 2 * BLOCK),
        (range(BLOCK), [0, 1], 3 + BLOCK),
        (range(BLOCK), [0.5, 1], 3 + 8 * BLOCK),
        (range(2000), [7], 3 + BLOCK // 8 + 2000),
        ([4000], [7], 3 + 2 + 2 + 1),
        ([], [7], 3 + 2),
    ],
)
def test_blocks_are_small(positions, values, size):
    """Integers take the narrowest type, and a rare attribute a few bytes."""
    present = masked(positions)

    packed = Block(present, np.resize(np.array(values), present.sum())).pack()

    assert size == len(packed)


@pytest.mark.parametrize(
    "packed", [b"", b"\x00", b"\x07\x00\xff", b"\x00\x63\xff", b"\x00\x00\xff\x01", b"\x02\x00\xff"]
)
def test_damage_is_detected(packed):
    """Damaged bytes raise an error instead of giving values."""
    with pytest.raises(ValueError, match=r".+"):
        Block.unpack(packed)
