from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiktoken import Encoding
from tiktoken_ext import openai_public

from unillmrec.tokens import ranks
from unillmrec.tokens.vocabulary import O200kVocabulary, load


@pytest.fixture(scope="module")
def tiktoken_encoding() -> Encoding:
    """tiktoken's encoding with its own pattern and the ranks that it would download."""
    with patch.object(openai_public, "load_tiktoken_bpe", return_value=ranks.bundled()):
        return Encoding(**openai_public.o200k_base())


@given(text=st.text())
def test_counts_equal_those_of_tiktokens_pattern(tiktoken_encoding: Encoding, text: str) -> None:
    """Our copy of the splitting pattern splits every text as tiktoken's does."""
    assert len(tiktoken_encoding.encode_ordinary(text)) == load().vocabulary.count(text)


@pytest.mark.parametrize(
    "unit", ["the end of chapter 12. ", "no-break,", "第三章 終わり ", "a\n  b "]
)
def test_long_texts_count_the_same_in_blocks(tiktoken_encoding: Encoding, unit: str) -> None:
    """Counting a long text with spaces block by block gives the same count."""
    text = unit * (250_000 // len(unit))
    whole = len(tiktoken_encoding.encode_ordinary(text))

    actual = load().vocabulary.count(text)

    assert (0 if " " in unit else 4) >= abs(whole - actual)


def test_a_million_spaces_are_counted() -> None:
    """A run that would overflow the stack of tiktoken's regular expressions is split."""
    assert 7_000 < load().vocabulary.count(" " * 1_000_000) < 9_000


def test_reach_crosses_blocks() -> None:
    """It continues from block to block, up to the end of the text."""
    vocabulary = load().vocabulary
    text = " word" * 50_000

    assert isinstance(vocabulary, O200kVocabulary)
    assert 5 * 30_000 == vocabulary.reach(text, 30_000)
    assert len(text) == vocabulary.reach(text, 60_000)
    assert 0 == vocabulary.reach(text, 0)


def test_reach_excludes_an_incomplete_character() -> None:
    """Tokens that end inside a character reach up to its start."""
    vocabulary = load().vocabulary
    moons = "🌕🌖"
    reached = [vocabulary.reach(moons, tokens) for tokens in range(vocabulary.count(moons) + 1)]

    assert 0 == reached[1]
    assert sorted(reached) == reached
    assert 2 == reached[-1]


@given(
    lines=st.lists(
        st.sampled_from(["1. ", "12. a. ", "/", "the end", ")", " ", "\r", "\x1c", "…\u2028", "'s"])
        | st.text(max_size=12),
        min_size=40,
        max_size=80,
    ),
    between=st.sampled_from(["\n", "\n\n", ")\n", "\r\n"]),
)
def test_the_count_of_a_prompt_is_the_sum_of_its_lines(
    tiktoken_encoding: Encoding, lines: list[str], between: str
) -> None:
    """Counting line by line, and line numbers separately, gives the same count."""
    text = f"{'word ' * 80}{between}{between.join(lines)}"

    assert len(tiktoken_encoding.encode_ordinary(text)) == load().vocabulary.count(text)
