"""What a node on the frontier is worth, given what the judge said on the way to it.

Sums of logarithms only fall on the way down: what waits can never come to be worth more than
it is, which is what lets a walk say that it is complete. Absolute scores have no such bound,
and are the better guide (`benchmarks/results/fidelity.json`): a judge that sees nothing good
among some branches says so, and that is lost where every family's shares sum to one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from unillmrec.judge import Verdict
from unillmrec.stages.options import PathScore
from unillmrec.stages.run import CandidateSource

# A choice the judge left out is not impossible, only worth the least of all.
LEAST_SHARE = 1e-4
# Judges that give no probabilities: so many points between two choices are a factor of e.
POINTS = 10.0


@dataclass(frozen=True, slots=True)
class NodeScores:
    """What a judge made of the choices of one question, by their keys.

    *scores* are between 0 and 100 and may lack choices, *shares* sum to at most one.
    """

    scores: Mapping[int, float]
    shares: Mapping[int, float]
    found: CandidateSource = "judge"
    by_shares: bool = False
    """Whether the judge gave probabilities, and its scores only follow from them."""

    @classmethod
    def of(cls, keys: Mapping[int, int], verdict: Verdict) -> NodeScores:
        """Return a verdict by keys; *keys* leads from number to key."""
        scores = {keys[number]: score for number, score in verdict.scores}
        shares = {keys[number]: share for number, share in verdict.shares}
        found: CandidateSource = "fallback" if verdict.fallback else "judge"
        return cls(scores, shares or _shares_of(scores), found, bool(shares))

    @classmethod
    def together(cls, parts: Sequence[NodeScores]) -> NodeScores:
        """Return what the windows of one question say together."""
        if len(parts) == 1:
            return parts[0]
        scores = {key: score for part in parts for key, score in part.scores.items()}
        found: CandidateSource = (
            "fallback" if any(e.found == "fallback" for e in parts) else "judge"
        )
        return cls(scores, _shares_of(scores), found)


Worth: TypeAlias = Callable[[float, NodeScores, int], float]
"""From what the parent is worth, what was said of its children, and the key of one of them."""


def worth_by(path_score: PathScore | None, *, by_shares: bool) -> Worth:
    """Return how paths are scored; if that was left open, as the judge's answers allow.

    Where scores follow from the shares of one family, the best of each has a hundred points:
    they say nothing about another family, and paths are told apart by their sums.
    """
    return _WAYS[path_score or ("relative" if by_shares else "absolute")]


def _absolute(parent: float, judged: NodeScores, key: int) -> float:
    return judged.scores.get(key, 0.0)


def _relative(parent: float, judged: NodeScores, key: int) -> float:
    best = max(judged.shares.values(), default=1.0)
    return parent + math.log(_share(judged, key) / max(best, LEAST_SHARE))


def _probability(parent: float, judged: NodeScores, key: int) -> float:
    return parent + math.log(_share(judged, key))


def _share(judged: NodeScores, key: int) -> float:
    return max(judged.shares.get(key, 0.0), LEAST_SHARE)


def _shares_of(scores: Mapping[int, float]) -> dict[int, float]:
    best = max(scores.values(), default=0.0)
    weights = {key: math.exp((score - best) / POINTS) for key, score in scores.items()}
    total = sum(weights.values())
    return {key: weight / total for key, weight in weights.items()}


_WAYS: Mapping[PathScore, Worth] = {
    "absolute": _absolute,
    "relative": _relative,
    "probability": _probability,
}
