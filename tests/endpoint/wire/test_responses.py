import pytest

from unillmrec.endpoint.access import Access
from unillmrec.endpoint.wire.failures import Failure
from unillmrec.endpoint.wire.responses import read_completion, read_usage, read_vectors
from unillmrec.usage import Usage

ACCESS = Access.resolve("http://127.0.0.1:1/v1", None, {})


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        (None, Usage(1, None, None, None, None)),
        ("many", Usage(1, None, None, None, None)),
        ({"prompt_tokens": 9, "completion_tokens": 4}, Usage(1, 9, 4, None, None)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 8},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(1, 9, 4, 8, 3),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "prompt_tokens_details": None,
                "prompt_cache_hit_tokens": 8,
                "reasoning_tokens": 0,
            },
            Usage(1, 9, 4, 8, 0),
        ),
        ({"prompt_tokens": True, "completion_tokens": -1}, Usage(1, None, None, None, None)),
        ({"prompt_tokens": 9.0, "completion_tokens": "4"}, Usage(1, None, None, None, None)),
        (
            {"prompt_tokens": 9, "prompt_cache_hit_tokens": 10, "reasoning_tokens": 1},
            Usage(1, 9, None, None, 1),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "total_tokens": 33,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(1, 9, 24, None, 20),
        ),
    ],
)
def test_usage_is_read_from_every_dialect(reported, expected):
    """Parts never exceed their totals, and unknown counts are None."""
    assert expected == read_usage(reported)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("text", "text"),
        ([{"type": "text", "text": "te"}, {"type": "text", "text": "xt"}], "text"),
        (["te", "xt", 7, {"type": "image"}], "text"),
    ],
)
def test_text_in_parts_is_joined(content, expected):
    """Some servers send a list of parts instead of a text."""
    payload = {"choices": [{"message": {"content": content}, "finish_reason": "eos_token"}]}

    answer = read_completion(payload, ACCESS, "m", 100)

    assert (expected, "eos_token") == (answer.text, answer.finish)


def test_an_incomplete_filtered_text_is_returned():
    """Its complete parts can still be used."""
    choice = {"message": {"content": "[2] > "}, "finish_reason": "content_filter"}

    assert "[2] > " == read_completion({"choices": [choice]}, ACCESS, "m", 100).text


def test_reasoning_up_to_the_limit_has_its_own_remedy():
    """It differs from an answer that is simply empty."""
    payload = {
        "choices": [{"message": {"content": " "}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 1000, "reasoning_tokens": 1000},
    }

    with pytest.raises(Failure) as caught:
        read_completion(payload, ACCESS, "m", 1000)

    assert "used up its 1,000 output tokens before it began" in caught.value.problem
    assert "It spent 1,000 of them on thinking." == caught.value.detail
    assert Usage(1, 9, 1000, None, 1000) == caught.value.usage


def test_vectors_are_sorted_by_index():
    """A server may return them in any order."""
    rows = [{"index": 1, "embedding": [1, 0]}, {"index": 0, "embedding": [0.5, 2]}]

    assert [[0.5, 2.0], [1.0, 0.0]] == read_vectors({"data": rows}, 2, ACCESS)


@pytest.mark.parametrize(
    "rows",
    [
        None,
        [],
        [{"embedding": [1, 2]}],
        [{"embedding": [1, 2]}, {"embedding": [1]}],
        [{"embedding": [1, 2]}, {"embedding": [1, float("nan")]}],
        [{"embedding": [1, 2]}, {"embedding": ["a", "b"]}],
        [{"embedding": "AAAA"}, {"embedding": []}],
        [{"index": 0, "embedding": [1]}, {"index": 5, "embedding": [1]}],
        [7, None],
    ],
)
def test_unusable_vectors_are_a_failure(rows):
    """Each text needs a list of finite numbers, all of the same length."""
    with pytest.raises(Failure, match="usable vectors for 2 texts"):
        read_vectors({"data": rows}, 2, ACCESS)
