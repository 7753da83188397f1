"""A judge's answer as scores by node id or item number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from unillmrec.judge import Question, Verdict

CandidateSource: TypeAlias = Literal["judge", "fallback", "nearest"]
"""How a candidate was found: picked by the judge, picked by the fallback judge, or added because
it was the nearest one left."""

# For judges without probabilities: this many points between two choices are a factor of e.
POINTS = 10.0


@dataclass(frozen=True, slots=True)
class ChoiceScores:
    """The scores that one question got, by the keys of its choices.

    *keys* are all choices of the question in their order. *scores* are between 0 and 100, best
    first, and may lack some of them. *shares* are probabilities and sum to at most one.
    *has_shares* is whether the judge gave probabilities, so that its scores only follow from them.
    """

    keys: tuple[int, ...]
    scores: Mapping[int, float]
    shares: Mapping[int, float]
    source: CandidateSource = "judge"
    has_shares: bool = False

    @classmethod
    def of(cls, question: Question, verdict: Verdict) -> ChoiceScores:
        """Return the scores of a *verdict* by the keys of the choices in *question*."""
        keys = {choice.number: choice.key for choice in question.choices}
        scores = {keys[number]: score for number, score in verdict.scores}
        shares = {keys[number]: share for number, share in verdict.shares}
        source: CandidateSource = "fallback" if verdict.fallback else "judge"
        return cls(tuple(keys.values()), scores, shares or _shares_of(scores), source, bool(shares))

    @classmethod
    def merge(cls, parts: Sequence[ChoiceScores]) -> ChoiceScores:
        """Return the scores of all windows of one question together."""
        if len(parts) == 1:
            return parts[0]
        keys = tuple(key for part in parts for key in part.keys)
        scores = {key: score for part in parts for key, score in part.scores.items()}
        by_fallback = any(each.source == "fallback" for each in parts)
        return cls(keys, scores, _shares_of(scores), "fallback" if by_fallback else "judge")


def _shares_of(scores: Mapping[int, float]) -> dict[int, float]:
    """Turn scores into shares that sum to one, by a softmax."""
    best = max(scores.values(), default=0.0)
    weights = {key: math.exp((score - best) / POINTS) for key, score in scores.items()}
    total = sum(weights.values())
    return {key: weight / total for key, weight in weights.items()}
