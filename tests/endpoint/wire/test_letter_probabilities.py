import math

import pytest

from unillmrec.endpoint.wire.letter_probabilities import (
    read_first_token,
    read_shares,
    sampled_token,
)


def told(*alternatives, drawn=None):
    """Return log probabilities as servers tell them."""
    entries = [
        {"token": token, "logprob": math.log(share) if share else -9999.0, "bytes": None}
        for token, share in alternatives
    ]
    first = dict(entries[0] if drawn is None else drawn)
    return {"content": [first | {"top_logprobs": entries}]}


def shares(logprobs, labels="ABC"):
    found = read_shares(logprobs, tuple(labels))
    return None if found is None else {label: round(share, 6) for label, share in found}


def test_probabilities_are_those_of_the_labels():
    """What goes to other tokens is left out, and the most probable stands first."""
    logprobs = told(("A", 0.2), ("B", 0.7), ("The", 0.1))

    assert [("B", 0.7), ("A", 0.2)] == list(shares(logprobs).items())


@pytest.mark.parametrize(
    "token", ["A", " A", "▁A", "Ġ A", "ĊA", "\nA", "A.", "A)", "(A", "**A**", '"A"', "[A]", "`A"]
)
def test_a_label_counts_however_it_is_written(token):
    """Vocabularies have it with a blank and without, and some with what stands round it."""
    counted = token != "`A"

    assert ({"A": 0.6, "B": 0.4} if counted else {"B": 0.4}) == shares(
        told((token, 0.6), ("B", 0.4))
    )


def test_ways_of_writing_add_up():
    """They are one answer."""
    assert {"A": 0.9} == shares(told(("A", 0.5), (" A", 0.3), ("A.", 0.1), ("I", 0.1)))


@pytest.mark.parametrize("token", ["a", "AB", "An", "D", "", "1", "<think>", "À"])
def test_what_is_no_label_of_the_list_is_off_it(token):
    """Small letters begin words, and a letter beyond the list names nothing."""
    assert {"B": 0.4} == shares(told((token, 0.6), ("B", 0.4)))


def test_the_drawn_token_counts_where_it_is_not_among_the_others():
    """Some servers show the likeliest, and beside them what chance has drawn."""
    drawn = {"token": "C", "logprob": math.log(0.01)}

    assert {"A": 0.6, "B": 0.3, "C": 0.01} == shares(told(("A", 0.6), ("B", 0.3), drawn=drawn))


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
        told(("A", 1.0)),
        {"content": [{"token": "A", "logprob": 3.2, "top_logprobs": []}]},
        told(("A", 0.9), ("B", 0.8)),
        {"content": [{"token": 3, "logprob": -1, "top_logprobs": [{"token": [], "logprob": -1}]}]},
    ],
)
def test_what_cannot_be_read_is_nothing(logprobs):
    """One alternative, none, or what are no probabilities: then nobody knows."""
    assert shares(logprobs) is None


def test_impossible_tokens_are_left_out():
    """Servers write -9999 or minus infinity for them."""
    infinite = {"token": "C", "logprob": float("-inf")}

    assert {"A": 1.0} == shares(told(("A", 1.0), ("B", 0.0), drawn=infinite))


def test_only_the_first_token_is_looked_at():
    """What follows does not line up with the text on some servers."""
    logprobs = told(("A", 0.6), ("B", 0.4))
    logprobs["content"].append({"token": "C", "logprob": 0.0, "top_logprobs": []})

    assert {"A": 0.6, "B": 0.4} == shares(logprobs)
    assert ("A", 2) == (sampled_token(logprobs), len(read_first_token(logprobs)))
    assert "" == sampled_token(None)
