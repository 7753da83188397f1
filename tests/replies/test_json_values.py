import pytest

from unillmrec.replies.json_values import (
    as_int,
    first_value,
    iter_objects,
    lowercase_keys,
)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3),
        (3.0, 3),
        ("3", 3),
        ("#3", 3),
        ("[3]", 3),
        ("3. A title", 3),
        ("Item 3", 3),
        (3.5, None),
        (True, None),
        ("three", None),
        (None, None),
        ([3], None),
        ({}, None),
    ],
)
def test_integers_in_all_their_forms(value, number):
    """Also as text and after a label; anything else is None."""
    assert number == as_int(value)


def test_iterates_over_every_object_in_a_value():
    """At any depth, with keys in lower case and without spaces around them."""
    value = [{" A ": [{"B": 1}]}, "text", {"c": {"D": None}}]

    keys = [list(each) for each in iter_objects(value)]

    assert [["a"], ["b"], ["c"], ["d"]] == keys


def test_the_first_name_with_a_value_wins():
    """A name whose value is null is skipped."""
    assert 2 == first_value(lowercase_keys({"Score": None, "VALUE": 2}), ("score", "value"))
    assert first_value({}, ("score",)) is None
