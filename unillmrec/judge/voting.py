"""Asking again in another order, so that no branch is chosen for its place in a list."""

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
    keep_exchanges,
    kept_exchanges,
    numbered,
)
from unillmrec.usage import Usage

Votes: TypeAlias = int | Literal["auto"]
"""How often a question about branches is asked; "auto": once more where it was close."""

# The two best branches are close when the second has this share of the best one's score;
# benchmarks/results/position.json.
CLOSE = 0.85
MOST_VOTES = 9


class VotingJudge:
    """Asks *judge* several times about branches, each time in another order, and averages.

    The second order is the first one backwards: what a place adds to a score it takes away
    again. A branch that a vote leaves out has zero points in it. Votes of somebody who stood
    in for the judge count only where there are no others, and where a budget ends, those
    that were given do.
    """

    def __init__(self, judge: Judge, votes: Votes) -> None:
        if votes != "auto" and not 1 <= votes <= MOST_VOTES:
            raise SettingsError(f"votes is {votes}; it is auto, or from 1 to {MOST_VOTES}.")
        told = "asked again where it was close" if votes == "auto" else f"asked {votes} times"
        self.name = f"{judge.name}, {told}"
        self.at_once = judge.at_once
        self.works_without_vector = judge.works_without_vector
        self._judge = judge
        self._votes = votes

    @property
    def asks_by_letters(self) -> bool:
        """As the judge that is asked does."""
        return self._judge.asks_by_letters

    def interests(self, question: HistoryQuestion) -> Interests:
        """Ask once: nothing in the answer has a place."""
        return self._judge.interests(question)

    def windows(self, question: Question) -> Sequence[Question]:
        """Part a question as the judge does."""
        return self._judge.windows(question)

    def choose(self, question: Question) -> Verdict:
        """Ask about branches as often as is wanted, about items once."""
        given = [self._judge.choose(question)]
        if not question.about_nodes:
            return given[0]
        count = self._votes if self._votes != "auto" else 1 + is_close(given[0])
        for number in range(1, count):
            try:
                given.append(self._in_order(question, _order(question.choices, number, count)))
            except BudgetError as error:
                # A vote that was cut off between its two questions has paid for the first.
                cut_off = kept_exchanges(error)
                merged = _merged(given)
                usage = sum((each.usage for each in cut_off), merged.usage)
                return replace(merged, usage=usage, exchanges=(*merged.exchanges, *cut_off))
            except UnillmrecError as error:
                # A failed call is a failed call, whichever vote it was: fewer votes than were
                # wanted would be another answer.
                paid = [exchange for verdict in given for exchange in verdict.exchanges]
                keep_exchanges(error, [*paid, *kept_exchanges(error)])
                raise
        return _merged(given) if len(given) > 1 else given[0]

    def _in_order(self, question: Question, order: Sequence[Choice]) -> Verdict:
        """Ask in another order; the scores come back under the question's own numbers."""
        verdict = self._judge.choose(replace(question, choices=numbered(order)))
        scores = tuple((order[place - 1].number, score) for place, score in verdict.scores)
        shares = tuple((order[place - 1].number, share) for place, share in verdict.shares)
        return replace(verdict, scores=scores, shares=shares)


def is_close(verdict: Verdict) -> bool:
    """Return whether the best choice has another one at its heels."""
    best = [score for _, score in verdict.scores[:2]]
    return len(best) == 2 and best[1] >= CLOSE * best[0]


def _order(choices: Sequence[Choice], number: int, count: int) -> list[Choice]:
    """Return the order of a vote: pairs of a rotation and the same backwards."""
    start = (number // 2) * len(choices) // max((count + 1) // 2, 1)
    turned = [*choices[start:], *choices[:start]]
    return turned[::-1] if number % 2 else turned


def _merged(given: Sequence[Verdict]) -> Verdict:
    counted = [each for each in given if not each.stand_in] or given[:1]
    # Probabilities are averaged where every vote has them; beside others they mean nothing.
    shared = all(each.shares for each in counted)
    return Verdict(
        _mean([each.scores for each in counted]),
        sum((each.dropped for each in given), Dropped()),
        sum((each.usage for each in given), Usage()),
        tuple(exchange for each in given for exchange in each.exchanges),
        counted[0].stand_in,
        shares=_mean([each.shares for each in counted]) if shared else (),
    )


def _mean(votes: Sequence[Sequence[tuple[int, float]]]) -> tuple[tuple[int, float], ...]:
    """Return the mean of each choice, best first; what a vote leaves out is nothing in it."""
    total: dict[int, float] = {}
    for vote in votes:
        for number, value in vote:
            total[number] = total.get(number, 0.0) + value
    means = [(number, value / len(votes)) for number, value in total.items()]
    return tuple(sorted(means, key=lambda pair: -pair[1]))
