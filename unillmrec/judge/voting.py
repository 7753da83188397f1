"""Repeat questions in another order and average the scores, to cancel position bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from unillmrec.errors import BudgetError, SettingsError, UnillmrecError
from unillmrec.judge.questions import (
    Choice,
    Dropped,
    HistoryQuestion,
    Interests,
    Judge,
    Question,
    Verdict,
    number_choices,
)
from unillmrec.usage import Usage

Votes: TypeAlias = int | Literal["auto"]
"""How often a question about branches is asked; "auto" asks again where the result was close."""

# The two best branches are close when the second has this share of the best one's score;
# benchmarks/results/position.json.
CLOSE = 0.85
MOST_VOTES = 9


class VotingJudge:
    """Asks *judge* each question about branches several times and averages the scores.

    Every vote shows the choices in another order. The second order is the reverse of the first,
    so that what a position adds to a score in one it takes away in the other. A branch that a
    vote leaves out scores zero in it. Votes of a fallback judge count only if all votes are such;
    when the budget ends, the votes so far count.
    """

    def __init__(self, judge: Judge, votes: Votes) -> None:
        if votes != "auto" and not 1 <= votes <= MOST_VOTES:
            raise SettingsError(f"votes is {votes}; it is auto, or from 1 to {MOST_VOTES}.")
        times = "asked again where it was close" if votes == "auto" else f"asked {votes} times"
        self.name = f"{judge.name}, {times}"
        self.at_once = judge.at_once
        self.works_without_vector = judge.works_without_vector
        self._judge = judge
        self._votes = votes

    @property
    def asks_by_letters(self) -> bool:
        """Whether the wrapped judge uses letters."""
        return self._judge.asks_by_letters

    def interests(self, question: HistoryQuestion) -> Interests:
        """Ask once: a history question has no order to vary."""
        return self._judge.interests(question)

    def windows(self, question: Question) -> Sequence[Question]:
        """Split a question as the wrapped judge does."""
        return self._judge.windows(question)

    def choose(self, question: Question) -> Verdict:
        """Ask about branches as often as configured, about items once."""
        votes = [self._judge.choose(question)]
        if not question.about_nodes:
            return votes[0]
        count = self._votes if self._votes != "auto" else 1 + is_close(votes[0])
        for number in range(1, count):
            try:
                votes.append(self._vote(question, _order(question.choices, number, count)))
            except BudgetError as error:
                # The budget may end inside a vote: the calls it had made were paid for.
                mean = _average(votes)
                usage = sum((each.usage for each in error.exchanges), mean.usage)
                exchanges = (*mean.exchanges, *error.exchanges)
                return replace(mean, usage=usage, exchanges=exchanges)
            except UnillmrecError as error:
                # A failed vote fails the question: fewer votes would give another answer.
                paid = [exchange for verdict in votes for exchange in verdict.exchanges]
                error.exchanges = (*paid, *error.exchanges)
                raise
        return _average(votes) if len(votes) > 1 else votes[0]

    def _vote(self, question: Question, order: Sequence[Choice]) -> Verdict:
        """Ask in another order, and return the scores by the question's own numbers."""
        verdict = self._judge.choose(replace(question, choices=number_choices(order)))
        scores = tuple((order[place - 1].number, score) for place, score in verdict.scores)
        shares = tuple((order[place - 1].number, share) for place, share in verdict.shares)
        return replace(verdict, scores=scores, shares=shares)


def is_close(verdict: Verdict) -> bool:
    """Return whether the second best choice scores nearly as high as the best."""
    best = [score for _, score in verdict.scores[:2]]
    return len(best) == 2 and best[1] >= CLOSE * best[0]


def _order(choices: Sequence[Choice], number: int, count: int) -> list[Choice]:
    """Return the order of a vote: each odd vote reverses the rotation of the one before it."""
    start = (number // 2) * len(choices) // max((count + 1) // 2, 1)
    rotated = [*choices[start:], *choices[:start]]
    return rotated[::-1] if number % 2 else rotated


def _average(votes: Sequence[Verdict]) -> Verdict:
    counted = [each for each in votes if not each.fallback] or votes[:1]
    # A mean of probabilities needs them in every vote.
    shared = all(each.shares for each in counted)
    return Verdict(
        _mean([each.scores for each in counted]),
        sum((each.dropped for each in votes), Dropped()),
        sum((each.usage for each in votes), Usage()),
        tuple(exchange for each in votes for exchange in each.exchanges),
        counted[0].fallback,
        shares=_mean([each.shares for each in counted]) if shared else (),
    )


def _mean(votes: Sequence[Sequence[tuple[int, float]]]) -> tuple[tuple[int, float], ...]:
    """Return the mean of each choice, best first; a vote without the choice counts as zero."""
    total: dict[int, float] = {}
    for vote in votes:
        for number, value in vote:
            total[number] = total.get(number, 0.0) + value
    means = [(number, value / len(votes)) for number, value in total.items()]
    return tuple(sorted(means, key=lambda pair: -pair[1]))
