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
def test_weighs_each_kind_of_character(text: str, expected: int) -> None:
    """Each of the eight kinds has its weight, and the sum is rounded up."""
    assert expected == ROUGH.count(text)


def test_is_near_the_exact_count_over_many_scripts() -> None:
    """The sum over titles in a dozen scripts is within a quarter of the exact one."""
    exact = sum(expected for _, expected in KNOWN)
    rough = sum(ROUGH.count(text) for text, _ in KNOWN)

    assert 0.75 * exact < rough < 1.25 * exact


@given(st.text())
def test_never_counts_more_tokens_than_bytes(text: str) -> None:
    """A count is between nothing and one token a byte, and nothing only for no text."""
    count = ROUGH.count(text)

    assert bool(text) <= count <= len(text.encode())


def test_counts_lone_surrogates() -> None:
    """A text that is not valid Unicode is counted all the same."""
    assert 2 == ROUGH.count("\ud83d")


@given(st.text(), st.integers(0, 50))
def test_reaches_no_further_than_the_tokens_go(text: str, tokens: int) -> None:
    """The characters reached cost no more than the tokens given."""
    reached = ROUGH.reach(text, tokens)

    assert ROUGH.count(text[:reached]) <= tokens
    assert reached == len(text) or reached <= tokens * ROUGH.longest
