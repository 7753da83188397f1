import pytest

from unillmrec.tree.descriptions import Description
from unillmrec.tree.node_names import (
    group_name,
    is_group,
    is_part,
    join_names,
    name_after_label,
    replace_name,
)


@pytest.mark.parametrize(
    ("name", "above", "expected"),
    [
        ("", "tea", True),
        ("tea 1", "tea", True),
        ("tea 1.2", "Drinks > tea", True),
        ("tea 1, tea 2 and 3 more", "tea", True),
        ("tea", "tea", False),
        ("teapots 1", "tea", False),
        ("coffee", "Drinks", False),
    ],
)
def test_parts_are_distinguished_from_categories(name, above, expected):
    """A part has no name, or the name of its parent with a number; all else is a category."""
    assert expected == is_part(name, above)


def test_groups_are_distinguished_from_categories():
    """A group is named after its members, or after some of them and a count of the others."""
    name = group_name([("Drinks > tea", 3), ("coffee", 9), ("milk", 1), ("juice", 2)])

    assert "coffee, tea, juice and 1 more" == name
    assert is_group(name, ["milk"])
    assert is_group("tea, coffee", ["tea"])
    assert not is_group("Books, films", ["tea"])


def test_the_first_label_of_a_name_matches_in_any_case():
    """Case makes no difference, but a part of a word does not match."""
    assert "" == name_after_label("Tea", "TEA")
    assert "green > loose" == name_after_label("Tea > green > loose", "tea")
    assert name_after_label("Teapots", "tea") is None


def test_the_names_of_a_chain_are_joined():
    """A node and its only child share one name; of a long chain only the ends remain."""
    assert "Drinks > tea" == join_names("Drinks", "tea")
    assert "tea" == join_names("", "tea")
    assert " > … > " in join_names("a" * 100, "b" * 50)


def test_renaming_keeps_the_rest():
    """Only the name of the description changes."""
    packed = Description(words=("a",), summary="s", name="old").to_json()

    assert Description(words=("a",), summary="s", name="new") == Description.from_json(
        replace_name(packed, "new")
    )
