"""The benchmark of the letters knows which line is the best, and how far shares are off."""

import random

import pytest

from benchmarks import letters
from unillmrec.judge import Exchange, Verdict
from unillmrec.testing.letters import label_odds
from unillmrec.usage import Usage

PROMPT = "likes whales and comets\nA. whales and comets\nB. whales\nC. bread"


def answered(*shares):
    scores = tuple((number, 100 * share) for number, share in shares)
    return Verdict(scores, exchanges=(Exchange((("user", PROMPT),), "A", Usage()),), shares=shares)


def test_an_answer_without_a_taste_is_right_and_not_off():
    """Whatever of it is on no letter."""
    odds = list(label_odds(PROMPT).values())
    first, off = letters.compared(answered(*((n, share / 2) for n, share in enumerate(odds, 1))))

    assert (True, 0.0) == (first, pytest.approx(off))


def test_another_line_in_front_is_wrong_and_off():
    """By the part of the probability that lies elsewhere."""
    odds = label_odds(PROMPT)
    first, off = letters.compared(answered((2, 1.0)))

    assert not first
    assert pytest.approx(1 - odds["B"] / sum(odds.values())) == off


def test_a_taste_misleads_and_is_mended(monkeypatch):
    """What doctor measures is what it was."""
    monkeypatch.setattr(letters, "MODELS", 1)
    row = letters.measured(2.0, 0.0)

    raw, calibrated = (float(row[f"off by, {how}"].split()[0]) for how in ("raw", "calibrated"))
    assert calibrated < raw / 2
    assert 3 == row["lists"]


def test_the_same_seed_asks_the_same():
    """And a list has from eight to twenty lines."""
    one, other = (letters.made_up(random.Random(3)) for _ in range(2))

    assert one == other
    assert 8 <= len(one.choices) <= 20
