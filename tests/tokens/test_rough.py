import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.tokens.rough import RoughVocabulary

KNOWN = json.loads(Path(__file__).with_name("known_counts.json").read_text(encoding="utf-8"))
ROUGH = RoughVocabulary()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("hello there", 3),  # 10 * .21 + .10
        ("1984", 3),  # 4 * .70
        ("(!)", 2),  # 3 * .66
        ("三体", 2),  # 2 * .89
        ("éé", 3),  # 2 * 1.04
        ("сон", 2),  # 3 * .49
        ("🚀🚀", 4),  # 2 * 1.61
    ],
)
def test_each_kind_of_character_has_its_weight(text: str, expected: int) -> None:
    """The sum of the weights is rounded up."""
    assert expected == ROUGH.count(text)


def test_rough_counts_are_near_the_exact_ones() -> None:
    """The sum over titles in a dozen scripts is within 25 % of the exact sum."""
    exact = sum(expected for _, expected in KNOWN)
    rough = sum(ROUGH.count(text) for text, _ in KNOWN)

    assert 0.75 * exact < rough < 1.25 * exact


@given(st.text())
def test_a_text_has_at_most_one_token_per_byte(text: str) -> None:
    """Only an empty text has no tokens."""
    count = ROUGH.count(text)

    assert bool(text) <= count <= len(text.encode())


def test_lone_surrogates_are_counted() -> None:
    """Text that is not valid Unicode has a count too."""
    assert 2 == ROUGH.count("\ud83d")


@given(st.text(), st.integers(0, 50))
def test_reach_stays_within_the_tokens(text: str, tokens: int) -> None:
    """The characters that are reached cost no more than the given tokens."""
    reached = ROUGH.reach(text, tokens)

    assert ROUGH.count(text[:reached]) <= tokens
    assert reached == len(text) or reached <= tokens * ROUGH.longest
