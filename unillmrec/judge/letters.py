"""One question, one output token: lettered choices, and the probabilities of the letters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from unillmrec.judge.questions import Choice, Interest, Profile, Question
from unillmrec.usage import Stage

# Capital letters are one token in nearly every vocabulary, with a blank before them and without.
# There is no I among them: it begins sentences that answer nothing.
LETTERS = tuple("ABCDEFGHJKLMNOPQRSTU")
# With less on the letters, the model was about to say something else.
LEAST_ON_LETTERS = 0.5
# How much of a measured bias is not believed: it was measured on few lists, and a letter
# that was not seen at all must not win by that.
DOUBT = 0.01
# Lines that say nothing, and people of whom nothing is known: what is preferred among and by
# them is the letter or its place.
EMPTY_LINES = ("(nothing is known about this branch)", "other things (10)")
EMPTY_PERSON = "(nothing is known about this person)"

Bias = Mapping[str, float]
"""The share of each letter in lists of lines that say nothing; empty if it was not measured."""


@dataclass(frozen=True, slots=True)
class LetterAnswer:
    """The probabilities of the choices, by number, the most probable first.

    What they leave of one is *off* the letters of the list, whatever else was meant.
    """

    shares: tuple[tuple[int, float], ...]

    @property
    def off(self) -> float:
        """What is off the letters, between 0 and 1."""
        return max(0.0, 1.0 - sum(share for _, share in self.shares))

    @property
    def usable(self) -> bool:
        """Whether the model answered the question with a letter of the list."""
        return self.off <= 1 - LEAST_ON_LETTERS

    @property
    def scores(self) -> tuple[tuple[int, float], ...]:
        """The shares as scores: 100 for the most probable choice."""
        most = max((share for _, share in self.shares), default=0.0)
        return tuple((number, 100 * share / most) for number, share in self.shares)


def can_be_lettered(question: Question) -> bool:
    """Return whether one letter answers *question*: which branch, and of a short list."""
    return question.about_nodes and 1 < len(question.choices) <= len(LETTERS)


def letters_of(question: Question) -> tuple[str, ...]:
    """Return the letters of the choices, in their order."""
    return LETTERS[: len(question.choices)]


def read_letters(shares: Sequence[tuple[str, float]], bias: Bias, count: int) -> LetterAnswer:
    """Return what the probabilities of letters say about *count* choices.

    The *bias* is divided out; how much is on the letters together stays as it was.
    """
    told = {letter: share for letter, share in shares if letter in LETTERS[:count]}
    fair = {letter: share / each for letter, share, each in _beside(told, bias, count)}
    on_letters, total = sum(told.values()), sum(fair.values())
    found = [
        (LETTERS.index(letter) + 1, on_letters * each / total) for letter, each in fair.items()
    ]
    return LetterAnswer(tuple(sorted(found, key=lambda pair: (-pair[1], pair[0]))))


def _beside(told: Mapping[str, float], bias: Bias, count: int) -> list[tuple[str, float, float]]:
    """Return letters, their shares, and what they would get in a list of empty lines."""
    among = {letter: bias.get(letter, 0.0) for letter in LETTERS[:count]}
    total = sum(among.values())
    if not total:
        return [(letter, share, 1.0) for letter, share in told.items()]
    return [
        (letter, share, (1 - DOUBT) * among[letter] / total + DOUBT / count)
        for letter, share in told.items()
    ]


def empty_questions() -> list[Question]:
    """Return questions that have no better answer than another."""
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
    """Return a question whose answer is plain, the third choice."""
    lines = ("trucks and cranes (12)", "tax law (9)", "chess openings and endgames (14)")
    choices = tuple(Choice(n, line, n) for n, line in enumerate((*lines, "baking (11)"), start=1))
    return replace(
        empty_questions()[0],
        profile=Profile((Interest("chess, above all its openings and endgames", 1.0),)),
        choices=choices,
    )


def mean_bias(measured: Sequence[Sequence[tuple[str, float]]]) -> dict[str, float]:
    """Return the mean share of each letter over several lists of empty lines.

    Servers show twenty tokens. A letter that is none of them has less than any that is; it is
    given half of the least.
    """
    sums = dict.fromkeys(LETTERS, 0.0)
    for shares in measured:
        seen = dict(shares)
        least = min(seen.values(), default=1.0) / 2
        total = sum(seen.get(letter, least) for letter in LETTERS)
        for letter in LETTERS:
            sums[letter] += seen.get(letter, least) / total / len(measured)
    return {letter: round(share, 6) for letter, share in sums.items()}
