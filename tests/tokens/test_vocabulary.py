from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiktoken import Encoding
from tiktoken_ext import openai_public

from unillmrec.tokens import ranks
from unillmrec.tokens.vocabulary import O200kVocabulary, load


@pytest.fixture(scope="module")
def tiktokens_own() -> Encoding:
    """tiktoken's encoding from tiktoken's own pattern, with the ranks it would have fetched."""
    with patch.object(openai_public, "load_tiktoken_bpe", return_value=ranks.bundled()):
        return Encoding(**openai_public.o200k_base())


@given(text=st.text())
def test_counts_like_tiktokens_own_encoding(tiktokens_own: Encoding, text: str) -> None:
    """Our copy of the splitting pattern parts every text as tiktoken's does."""
    assert len(tiktokens_own.encode_ordinary(text)) == load().vocabulary.count(text)


@pytest.mark.parametrize(
    "unit", ["the end of chapter 12. ", "no-break,", "第三章 終わり ", "a\n  b "]
)
def test_long_texts_count_the_same_in_blocks(tiktokens_own: Encoding, unit: str) -> None:
    """Reading a long text block by block does not change its count where it has spaces."""
    text = unit * (250_000 // len(unit))
    whole = len(tiktokens_own.encode_ordinary(text))

    actual = load().vocabulary.count(text)

    assert (0 if " " in unit else 4) >= abs(whole - actual)


def test_a_million_spaces_are_counted() -> None:
    """A run that overflows the stack of tiktoken's regular expressions is counted in parts."""
    assert 7_000 < load().vocabulary.count(" " * 1_000_000) < 9_000


def test_reaches_over_blocks() -> None:
    """Reach goes on from block to block, and stops at the end of the text."""
    vocabulary = load().vocabulary
    text = " word" * 50_000

    assert isinstance(vocabulary, O200kVocabulary)
    assert 5 * 30_000 == vocabulary.reach(text, 30_000)
    assert len(text) == vocabulary.reach(text, 60_000)
    assert 0 == vocabulary.reach(text, 0)


def test_reach_leaves_out_a_character_that_is_only_begun() -> None:
    """Tokens that end inside a character reach only up to it."""
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
def test_a_prompt_has_the_tokens_of_its_lines(
    tiktokens_own: Encoding, lines: list[str], between: str
) -> None:
    """A long text is counted line by line, and the number of a line apart, without a difference."""
    text = f"{'word ' * 80}{between}{between.join(lines)}"

    assert len(tiktokens_own.encode_ordinary(text)) == load().vocabulary.count(text)
