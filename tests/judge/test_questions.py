import json

import pytest

from unillmrec.judge import Dropped, Interest, Profile


@pytest.mark.parametrize(
    ("interests", "expected"),
    [
        ((Interest("whales", 1.0),), "whales"),
        (
            (Interest("letters", 0.25), Interest("courtship", 0.75)),
            "- courtship (75%)\n- letters (25%)",
        ),
        ((Interest("a", 0.5), Interest("b", 0.5)), "- a (50%)\n- b (50%)"),
        ((), ""),
    ],
)
def test_a_profile_lists_the_heaviest_interest_first(interests, expected):
    """A single interest is a sentence, several are a weighted list."""
    assert expected == Profile(interests).text()


def test_dropped_counts_add_up():
    """Counts of the same kind are added, and named in the output."""
    total = Dropped(1, 2, 3, 4, 5) + Dropped(10, 20, 30, 40, 50)

    assert {
        "invented": 11,
        "repeated": 22,
        "left_out": 33,
        "asked_again": 44,
        "fallbacks": 55,
    } == json.loads(json.dumps(total.as_dict()))
