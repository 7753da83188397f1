from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.usage import Bill, Stage, Usage

COUNTS = st.none() | st.integers(0, 10**6)
USAGES = st.builds(
    Usage,
    st.integers(0, 100),
    COUNTS,
    COUNTS,
    COUNTS,
    COUNTS,
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
NAMES = [each.name for each in fields(Usage)]


@given(USAGES, USAGES)
def test_a_sum_with_an_unknown_count_is_unknown(one, other):
    """Each count is added separately; an unreported one is not zero."""
    total = one + other

    for name in NAMES:
        parts = (getattr(one, name), getattr(other, name))
        assert (None if None in parts else sum(parts)) == getattr(total, name)


@given(USAGES, USAGES, USAGES)
def test_addition_is_commutative(one, two, three):
    """And associative; adding an empty usage changes nothing."""
    assert (one + two) + three == one + (three + two)
    assert one == one + Usage() == sum([one], Usage())


def test_a_usage_as_a_dictionary():
    """Counts come in their documented order; an unknown one is None."""
    expected = {
        "calls": 1,
        "prompt": 100,
        "completion": 10,
        "cached": 60,
        "reasoning": None,
        "estimated_prompt": 98,
        "estimated_completion": 11,
    }
    usage = Usage(
        1, 100, 10, cached=60, reasoning=None, estimated_prompt=98, estimated_completion=11
    )

    assert list(expected.items()) == list(usage.as_dict().items())


def test_a_usage_is_immutable():
    """It is a value."""
    with pytest.raises(AttributeError):
        Usage().calls = 2


def test_a_bill_adds_up_by_stage():
    """Lines come in the order of the stages, without stages that used nothing."""
    bill = Bill()
    bill.add(Stage.RANK, Usage(1, 10, 1))
    bill.add(Stage.RECALL, Usage(2, 20, 2))
    bill.add(Stage.RANK, Usage(1, None, 3))

    expected = {Stage.RECALL: Usage(2, 20, 2), Stage.RANK: Usage(2, None, 4, known_prompt=10)}
    assert list(expected.items()) == list(bill.by_stage().items())
    assert Usage(4, None, 6, known_prompt=30) == bill.total()


def test_an_empty_bill():
    """Without calls, all counts are known to be 0."""
    assert {} == Bill().by_stage()
    assert Usage() == Bill().total()


def test_several_threads_can_add_to_a_bill():
    """No addition is lost."""
    bill = Bill()
    with ThreadPoolExecutor(8) as threads:
        for _ in range(2_000):
            threads.submit(bill.add, Stage.RECALL, Usage(1, 2, 3))

    assert Usage(2_000, 4_000, 6_000) == bill.total()


def test_the_names_of_stages():
    """They are part of output and files."""
    assert "profile recall rank rerank describe embed" == " ".join(Stage)
