import pytest

from unillmrec.replies.reasoning import split_reasoning


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
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
def test_splits_a_reply_into_answer_and_reasoning(text, answer, reasoning):
    """Digits of every script become ASCII; circled and raised ones do not."""
    assert (answer, reasoning) == split_reasoning(text)


def test_only_the_ends_of_an_extremely_long_text_are_read():
    """Nothing is parsed across the gap, and white space at the ends does not count."""
    answer, _ = split_reasoning(" " * 10**6 + "a" + "b" * 10**6 + "c" + " " * 10**6)

    assert ("a", "c", 1) == (answer[0], answer[-1], answer.count("\0"))
    assert len(answer) < 200_000
