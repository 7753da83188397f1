"""The rank stage: order all candidates, in windows that are merged where they do not fit."""

from __future__ import annotations

from collections.abc import Sequence

from unillmrec.judge import Profile, Question
from unillmrec.stages.run import Candidate, Run
from unillmrec.usage import Stage

NAME = Stage.RANK
ITEM_LINE = 180


def rank(run: Run, profile: Profile, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates in the judge's order, best first; none is lost.

    Where they do not fit one prompt, each window is ordered by itself and the better half
    of each meets again, until one prompt holds what is left.
    """
    waiting = list(candidates)
    settled: list[Candidate] = []
    while len(waiting) > 1:
        windows = _ordered_windows(run, profile, waiting)
        if len(windows) == 1:
            return windows[0] + settled
        better = [each[: (len(each) + 1) // 2] for each in windows]
        worse = [each[(len(each) + 1) // 2 :] for each in windows]
        settled = _interleaved(worse) + settled
        waiting = _interleaved(better)
        if all(len(each) == 1 for each in windows):
            break
    return waiting + settled


def _ordered_windows(
    run: Run, profile: Profile, candidates: Sequence[Candidate]
) -> list[list[Candidate]]:
    by_key = {each.placed.number: each for each in candidates}
    choices = run.item_choices([each.placed for each in candidates], ITEM_LINE)
    question = Question("rank", NAME, profile, choices, len(choices))
    windows = run.windows(question)
    verdicts = run.ask([part for part, _ in windows])
    ordered = []
    for (_, keys), verdict in zip(windows, verdicts, strict=True):
        scores = {keys[number]: score for number, score in verdict.scores}
        named = [_scored(by_key[key], score) for key, score in scores.items()]
        # What the model left out is not lost: it keeps recall's order, behind the rest.
        unnamed = set(keys.values()) - scores.keys()
        left_out = [_scored(by_key[key], 0.0) for key in by_key if key in unnamed]
        ordered.append(named + left_out)
    return ordered


def _scored(candidate: Candidate, score: float) -> Candidate:
    return Candidate(candidate.placed, score, candidate.found)


def _interleaved(lists: Sequence[Sequence[Candidate]]) -> list[Candidate]:
    """Return the firsts of all lists, then the seconds, and so on."""
    longest = max(map(len, lists), default=0)
    return [each[place] for place in range(longest) for each in lists if place < len(each)]
