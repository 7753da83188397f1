"""The rank stage: order all candidates, in several windows if they do not fit one prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unillmrec.judge import Profile, Question
from unillmrec.stages.run import Candidate, Run
from unillmrec.usage import Stage

if TYPE_CHECKING:
    from unillmrec.stages.choice_scores import ChoiceScores

NAME = Stage.RANK
ITEM_LINE = 180


def rank(run: Run, profile: Profile, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return all candidates in the judge's order, best first.

    If they do not fit one prompt, each window is ordered by itself. The better halves of the
    windows are ranked again, until one prompt holds what is left.
    """
    waiting = list(candidates)
    settled: list[Candidate] = []
    while len(waiting) > 1:
        windows = _rank_windows(run, profile, waiting)
        if len(windows) == 1:
            return windows[0] + settled
        better = [each[: (len(each) + 1) // 2] for each in windows]
        worse = [each[(len(each) + 1) // 2 :] for each in windows]
        settled = _interleave(worse) + settled
        waiting = _interleave(better)
        if all(len(each) == 1 for each in windows):
            break
    return waiting + settled


def _rank_windows(
    run: Run, profile: Profile, candidates: Sequence[Candidate]
) -> list[list[Candidate]]:
    by_key = {each.placed.number: each for each in candidates}
    choices = run.item_choices([each.placed for each in candidates], ITEM_LINE)
    (windows,) = run.ask([Question("rank", NAME, profile, choices, len(choices))])
    return [_ordered(by_key, window) for window in windows]


def _ordered(by_key: dict[int, Candidate], window: ChoiceScores) -> list[Candidate]:
    """Return the candidates of a window; those the judge left out follow in recall's order."""
    ranked = [_with_score(by_key[key], score) for key, score in window.scores.items()]
    unranked = set(window.keys) - window.scores.keys()
    return ranked + [_with_score(by_key[key], 0.0) for key in by_key if key in unranked]


def _with_score(candidate: Candidate, score: float) -> Candidate:
    return Candidate(candidate.placed, score, candidate.found)


def _interleave(lists: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """Return the first candidates of all lists, then the second ones, and so on."""
    longest = max(map(len, lists), default=0)
    return [each[place] for place in range(longest) for each in lists if place < len(each)]
