"""Questions answered by one token: choices get letters, and letter probabilities are scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from unillmrec.judge.questions import Choice, Interest, Profile, Question
from unillmrec.usage import Stage

# A capital letter is one token in nearly every vocabulary, with and without a space before it.
# "I" is missing because it begins sentences such as "I think".
LETTERS = tuple("ABCDEFGHJKLMNOPQRSTU")
# If less probability than this is on the letters, the model was about to write something else.
LEAST_ON_LETTERS = 0.5
# Smoothing of a measured bias: few lists were measured, and a letter that never appeared in
# them must not win because its bias is zero.
SMOOTHING = 0.01
# Choices and a person without any content: a preference among them can only come from the
# letters and positions.
EMPTY_LINES = ("(nothing is known about this branch)", "other things (10)")
EMPTY_PERSON = "(nothing is known about this person)"

Bias = Mapping[str, float]
"""The probability of each letter in lists of empty lines; empty if it was not measured."""


@dataclass(frozen=True, slots=True)
class LetterAnswer:
    """The probability of each choice, as pairs with its number, most probable first."""

    shares: tuple[tuple[int, float], ...]

    @property
    def off(self) -> float:
        """The probability of anything that is not a letter of the list."""
        return max(0.0, 1.0 - sum(share for _, share in self.shares))

    @property
    def usable(self) -> bool:
        """Whether most of the probability is on letters of the list."""
        return self.off <= 1 - LEAST_ON_LETTERS

    @property
    def scores(self) -> tuple[tuple[int, float], ...]:
        """The probabilities as scores: the most probable choice gets 100."""
        most = max((share for _, share in self.shares), default=0.0)
        return tuple((number, 100 * share / most) for number, share in self.shares)


def can_be_lettered(question: Question) -> bool:
    """Return whether a letter can answer *question*: it is about branches, and not too many."""
    return question.about_nodes and 1 < len(question.choices) <= len(LETTERS)


def letters_of(question: Question) -> tuple[str, ...]:
    """Return the letters of the choices, in their order."""
    return LETTERS[: len(question.choices)]


def read_letters(shares: Sequence[tuple[str, float]], bias: Bias, count: int) -> LetterAnswer:
    """Turn letter probabilities into probabilities of *count* choices, corrected for the *bias*.

    The correction keeps the total probability of the letters.
    """
    listed = {letter: share for letter, share in shares if letter in LETTERS[:count]}
    expected = _expected_shares(bias, count)
    fair = {letter: share / expected[letter] for letter, share in listed.items()}
    on_letters, total = sum(listed.values()), sum(fair.values())
    corrected = [
        (LETTERS.index(letter) + 1, on_letters * each / total) for letter, each in fair.items()
    ]
    return LetterAnswer(tuple(sorted(corrected, key=lambda pair: (-pair[1], pair[0]))))


def _expected_shares(bias: Bias, count: int) -> dict[str, float]:
    """Return the share that each letter would get in a list of *count* empty lines."""
    listed = {letter: bias.get(letter, 0.0) for letter in LETTERS[:count]}
    total = sum(listed.values())
    if not total:
        return dict.fromkeys(listed, 1.0)
    return {
        letter: (1 - SMOOTHING) * share / total + SMOOTHING / count
        for letter, share in listed.items()
    }


def empty_questions() -> list[Question]:
    """Return questions in which no choice is better than another, to measure the bias with."""
    return [
        Question(
            "choose",
            Stage.RECALL,
            Profile((Interest(EMPTY_PERSON, 1.0),)),
            tuple(Choice(number, line, number) for number in range(1, len(LETTERS) + 1)),
            1,
        )
        for line in EMPTY_LINES
    ]


def plain_question() -> Question:
    """Return a question with an obvious answer, the third choice."""
    lines = ("trucks and cranes (12)", "tax law (9)", "chess openings and endgames (14)")
    choices = tuple(Choice(n, line, n) for n, line in enumerate((*lines, "baking (11)"), start=1))
    return replace(
        empty_questions()[0],
        profile=Profile((Interest("chess, above all its openings and endgames", 1.0),)),
        choices=choices,
    )


def mean_bias(measured: Sequence[Sequence[tuple[str, float]]]) -> dict[str, float]:
    """Return the mean share of each letter over several lists of empty lines.

    Servers report the twenty most probable tokens. A letter that is not among them gets half the
    share of the least probable one that is.
    """
    sums = dict.fromkeys(LETTERS, 0.0)
    for shares in measured:
        seen = dict(shares)
        least = min(seen.values(), default=1.0) / 2
        total = sum(seen.get(letter, least) for letter in LETTERS)
        for letter in LETTERS:
            sums[letter] += seen.get(letter, least) / total / len(measured)
    return {letter: round(share, 6) for letter, share in sums.items()}
