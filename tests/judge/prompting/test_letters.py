import random
import re

import pytest

from unillmrec.endpoint.wire.letter_probabilities import read_shares
from unillmrec.judge import Choice, Interest, Profile, Question
from unillmrec.judge.prompting.letters import (
    LETTERS,
    can_be_lettered,
    empty_questions,
    letters_of,
    mean_bias,
    plain_question,
    read_letters,
)
from unillmrec.testing.letters import label_logprobs, label_odds
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Stage

WORDS = re.findall(
    r"\w+",
    """ocean forest chess violin garden planet ballad winter desert castle dragon market
    silver engine orchid harbor canyon lantern marble thunder""",
)


@pytest.mark.parametrize("model", ["gpt-4o", "llama-3"])
def test_a_letter_is_one_token(model):
    """Each letter is one token, with and without a space before it: one output token is enough."""
    count = TokenCounter.for_model(model).count

    assert [(1, 1)] * 20 == [(count(letter), count(f" {letter}")) for letter in LETTERS]
    assert 20 == len(set(LETTERS))


@pytest.mark.parametrize(
    ("kind", "choices", "fits"),
    [
        ("choose", 1, False),
        ("choose", 2, True),
        ("choose", 20, True),
        ("choose", 21, False),
        ("pick", 5, False),
        ("rank", 5, False),
    ],
)
def test_only_short_lists_of_branches_are_lettered(kind, choices, fits, asking):
    """Servers report twenty tokens, and one letter is not an order."""
    assert fits == can_be_lettered(asking(kind, ["a line"] * choices))


def test_shares_belong_to_the_choices():
    """Probability outside the letters of the list stays outside; the best choice scores 100."""
    answer = read_letters((("B", 0.6), ("A", 0.2), ("D", 0.1)), {}, 3)

    assert ((2, 0.6), (1, 0.2)) == tuple((n, round(share, 9)) for n, share in answer.shares)
    assert [(2, 100), (1, 33)] == [(number, round(score)) for number, score in answer.scores]
    assert (0.2, True) == (round(answer.off, 9), answer.usable)


@pytest.mark.parametrize("shares", [(), (("A", 0.3), ("B", 0.1))])
def test_an_answer_mostly_off_the_letters_is_unusable(shares):
    """The model was about to write something else."""
    assert not read_letters(shares, {}, 3).usable


def test_the_bias_is_corrected_and_the_rest_stays():
    """A letter that the model prefers needs more probability to win; the total is unchanged."""
    bias = {"A": 0.6, "B": 0.2, "C": 0.2}

    answer = read_letters((("A", 0.6), ("B", 0.3)), bias, 3)

    assert [2, 1] == [number for number, _ in answer.shares]
    assert 0.1 == pytest.approx(answer.off)
    assert 1.5 == pytest.approx(answer.shares[0][1] / answer.shares[1][1], rel=0.05)


def test_a_letter_without_measured_bias_does_not_win_by_that():
    """Its bias is unknown, only smaller than the reported ones."""
    seen = [(letter, 0.9 / 10) for letter in LETTERS[:10]]

    bias = mean_bias([seen, seen])

    assert 1 == pytest.approx(sum(bias.values()), abs=1e-4)
    assert 2 == pytest.approx(bias["A"] / bias["U"], rel=0.01)


def asked_of(writer, question, bias=()):
    """Return the probabilities from a biased server, and those from one without a bias."""
    prompt = writer.letter_request(question).messages[1].content
    reported = read_shares(label_logprobs(prompt, "A", bias), letters_of(question))
    true = label_odds(prompt)
    return reported, {LETTERS.index(letter) + 1: share for letter, share in true.items()}


def distance(shares, true):
    """Return half the sum of the differences between two distributions."""
    found, total = dict(shares), sum(share for _, share in shares)
    all_true = sum(true.values())
    return sum(abs(found.get(n, 0) / total - each / all_true) for n, each in true.items()) / 2


def test_calibration_undoes_most_of_a_planted_bias(writer):
    """Over many questions, to servers with strong biases, the best choice is found again."""
    right = {"raw": 0, "calibrated": 0}
    far = {"raw": 0.0, "calibrated": 0.0}
    for seed in range(40):
        chance = random.Random(seed)
        taste = tuple(chance.gauss(0, 1) for _ in LETTERS)
        bias = mean_bias([asked_of(writer, each, taste)[0] for each in empty_questions()])
        lines = [" ".join(chance.sample(WORDS, 5)) for _ in range(chance.randint(8, 20))]
        choices = tuple(Choice(n, line, n) for n, line in enumerate(lines, start=1))
        likes = Profile((Interest(" ".join(chance.sample(WORDS, 6)), 1.0),))
        question = Question("choose", Stage.RECALL, likes, choices, 1)
        reported, true = asked_of(writer, question, taste)
        for name, known in (("raw", {}), ("calibrated", bias)):
            shares = read_letters(reported, known, len(choices)).shares
            right[name] += true[shares[0][0]] == pytest.approx(max(true.values()))
            far[name] += distance(shares, true)

    assert right["raw"] <= 28
    assert right["calibrated"] >= 36
    assert far["calibrated"] < 0.4 * far["raw"]


def test_doctor_asks_plain_and_empty_questions(writer):
    """One question has an obvious answer; in the others the lines differ only by their letter."""
    plain = label_odds(writer.letter_request(plain_question()).messages[1].content)
    assert "C" == max(plain, key=plain.get)

    for question in empty_questions():
        odds = label_odds(writer.letter_request(question).messages[1].content)
        assert 20 == len(odds)
        assert 1 == len(set(odds.values()))
