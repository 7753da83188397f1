import math

import pytest

from unillmrec.endpoint.wire.letter_probabilities import (
    read_first_token,
    read_shares,
    sampled_token,
)


def logprobs_of(*alternatives, sampled=None):
    """Return log probabilities as servers report them."""
    entries = [
        {"token": token, "logprob": math.log(share) if share else -9999.0, "bytes": None}
        for token, share in alternatives
    ]
    first = dict(entries[0] if sampled is None else sampled)
    return {"content": [first | {"top_logprobs": entries}]}


def shares(logprobs, labels="ABC"):
    found = read_shares(logprobs, tuple(labels))
    return None if found is None else {label: round(share, 6) for label, share in found}


def test_probabilities_are_those_of_the_labels():
    """Other tokens are left out, and the most probable label comes first."""
    logprobs = logprobs_of(("A", 0.2), ("B", 0.7), ("The", 0.1))

    assert [("B", 0.7), ("A", 0.2)] == list(shares(logprobs).items())


@pytest.mark.parametrize(
    "token", ["A", " A", "▁A", "Ġ A", "ĊA", "\nA", "A.", "A)", "(A", "**A**", '"A"', "[A]", "`A"]
)
def test_a_label_counts_in_every_spelling(token):
    """Vocabularies have it with and without a space, and some with surrounding characters."""
    counted = token != "`A"

    assert ({"A": 0.6, "B": 0.4} if counted else {"B": 0.4}) == shares(
        logprobs_of((token, 0.6), ("B", 0.4))
    )


def test_spellings_of_a_label_add_up():
    """They mean the same answer."""
    assert {"A": 0.9} == shares(logprobs_of(("A", 0.5), (" A", 0.3), ("A.", 0.1), ("I", 0.1)))


@pytest.mark.parametrize("token", ["a", "AB", "An", "D", "", "1", "<think>", "À"])
def test_other_tokens_are_no_labels(token):
    """Small letters begin words, and a letter beyond the list names no choice."""
    assert {"B": 0.4} == shares(logprobs_of((token, 0.6), ("B", 0.4)))


def test_the_sampled_token_counts_if_it_is_not_among_the_alternatives():
    """Some servers report the most likely tokens and, separately, the sampled one."""
    sampled = {"token": "C", "logprob": math.log(0.01)}

    assert {"A": 0.6, "B": 0.3, "C": 0.01} == shares(
        logprobs_of(("A", 0.6), ("B", 0.3), sampled=sampled)
    )


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        "none",
        {},
        {"content": None},
        {"content": []},
        {"content": [7]},
        {"content": [{}]},
        {"content": [{"token": "A"}]},
        {"content": [{"token": "A", "logprob": None, "top_logprobs": None}]},
        {"content": [{"token": "A", "logprob": float("nan"), "top_logprobs": [None, 3]}]},
        {"content": [{"prob": 0.9, "top_probs": [{"token": "A", "prob": 0.9}]}]},
        {"token_logprobs": [-0.1]},
        logprobs_of(("A", 1.0)),
        {"content": [{"token": "A", "logprob": 3.2, "top_logprobs": []}]},
        logprobs_of(("A", 0.9), ("B", 0.8)),
        {"content": [{"token": 3, "logprob": -1, "top_logprobs": [{"token": [], "logprob": -1}]}]},
    ],
)
def test_unusable_log_probabilities_are_none(logprobs):
    """Too few alternatives, or values that are no probabilities."""
    assert shares(logprobs) is None


def test_impossible_tokens_are_left_out():
    """Servers report -9999 or minus infinity for them."""
    infinite = {"token": "C", "logprob": float("-inf")}

    assert {"A": 1.0} == shares(logprobs_of(("A", 1.0), ("B", 0.0), sampled=infinite))


def test_only_the_first_token_is_read():
    """On some servers the later ones do not line up with the text."""
    logprobs = logprobs_of(("A", 0.6), ("B", 0.4))
    logprobs["content"].append({"token": "C", "logprob": 0.0, "top_logprobs": []})

    assert {"A": 0.6, "B": 0.4} == shares(logprobs)
    assert ("A", 2) == (sampled_token(logprobs), len(read_first_token(logprobs)))
    assert "" == sampled_token(None)
