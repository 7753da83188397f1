import pytest

from unillmrec.replies.json_values import first, lowered, objects, whole


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
def test_whole_numbers_in_all_their_forms(value, number):
    """A number is one, also as text or behind a label; what is none is None."""
    assert number == whole(value)


def test_finds_every_object_in_a_value():
    """However deep, with names in lower case and without the white space round them."""
    value = [{" A ": [{"B": 1}]}, "text", {"c": {"D": None}}]

    found = list(objects(value))

    assert [["a"], ["b"], ["c"], ["d"]] == [list(each) for each in found]


def test_the_first_name_that_has_something_wins():
    """A name whose value is null is passed over."""
    assert 2 == first(lowered({"Score": None, "VALUE": 2}), ("score", "value"))
    assert first({}, ("score",)) is None
