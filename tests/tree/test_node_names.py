import pytest

from unillmrec.tree.descriptions import Description
from unillmrec.tree.node_names import after_label, group_name, is_group, is_part, joined, renamed


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
def test_parts_are_told_from_categories(name, above, expected):
    """A number behind the name of what is above, or no name, is a part; all else a category."""
    assert expected == is_part(name, above)


def test_groups_are_told_from_categories():
    """A group is called after its members, or after some and a count of the others."""
    name = group_name([("Drinks > tea", 3), ("coffee", 9), ("milk", 1), ("juice", 2)])

    assert "coffee, tea, juice and 1 more" == name
    assert is_group(name, ["milk"])
    assert is_group("tea, coffee", ["tea"])
    assert not is_group("Books, films", ["tea"])


def test_labels_are_followed_however_they_are_written():
    """Case does not tell categories apart; a part of a word does."""
    assert "" == after_label("Tea", "TEA")
    assert "green > loose" == after_label("Tea > green > loose", "tea")
    assert after_label("Teapots", "tea") is None


def test_a_chain_becomes_one_name():
    """A node and its only child are called by both names; of a long chain by the ends."""
    assert "Drinks > tea" == joined("Drinks", "tea")
    assert "tea" == joined("", "tea")
    assert " > … > " in joined("a" * 100, "b" * 50)


def test_renaming_keeps_the_rest():
    """Only the name of a description changes."""
    packed = Description(words=("a",), summary="s", name="old").to_json()

    assert Description(words=("a",), summary="s", name="new") == Description.from_json(
        renamed(packed, "new")
    )
