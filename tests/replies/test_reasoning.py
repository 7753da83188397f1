import pytest

from unillmrec.replies.reasoning import split_reasoning


@pytest.mark.parametrize(
    ("text", "said", "thought"),
    [
        ("a", "a", ""),
        ("<think>b</think>a", "a", "<think>b"),
        ("b</think>a", "a", "b"),
        ("a<THINKING>b", "a", "<THINKING>b"),
        ("a<think>b</think>c<think>d</think>e", "ae", "<think>b</think>c<think>d"),
        ("<|channel|>analysis<|message|>b<|message|>a", "a", "<|channel|>analysis<|message|>b"),
        ("\uff11\u0662\u09e9\uff0c", "123,", ""),
        ("“a”", '"a"', ""),
        ('"“a”"', '"“a”"', ""),
        (" <!doctype html><p>a", "", ""),
        ("<?xml version='1.0'?>", "", ""),
        ("\u2461 \u00b2", "\u2461 \u00b2", ""),
    ],
)
def test_parts_thoughts_from_words(text, said, thought):
    """Digits of every script are read as digits; circled and raised ones are not."""
    assert (said, thought) == split_reasoning(text)


def test_the_two_ends_of_an_endless_text_are_kept_apart():
    """Nothing is read across the gap, and white space at the ends does not count."""
    said, _ = split_reasoning(" " * 10**6 + "a" + "b" * 10**6 + "c" + " " * 10**6)

    assert ("a", "c", 1) == (said[0], said[-1], said.count("\0"))
    assert len(said) < 200_000
