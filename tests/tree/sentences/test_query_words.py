"""Which words of a sentence say what is wanted."""

import pytest

from unillmrec.tree.sentences.query_words import split_negation, topic_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scary game, but no jump scares", ("scary game, but ", "jump scares")),
        ("space game, not a shooter", ("space game, ", "a shooter")),
        ("puzzles without a timer but with music", ("puzzles but with music", "a timer")),
        ("funny", ("funny", "")),
        ("no horror", ("no horror", "")),
        ("a knot in a nook", ("a knot in a nook", "")),
    ],
)
def test_what_is_not_wanted_is_split_off(text, expected):
    """Up to the end of the clause; a sentence with nothing else is left alone."""
    wanted, unwanted = split_negation(text)

    assert expected == (wanted.replace("  ", " "), unwanted)


def test_the_kind_of_item_is_no_topic():
    """Unless the sentence has nothing else."""
    assert ["scary"] == topic_words("a scary game")
    assert ["games"] == topic_words("games")
