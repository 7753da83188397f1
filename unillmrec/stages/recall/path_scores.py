"""Path scores: compare nodes at different places in the tree.

Sums of logarithms never rise on the way down. An unopened node bounds everything below it, so a
walk can prove that it is complete. Absolute scores have no such bound but guide better
(`benchmarks/results/fidelity.json`): a judge that likes none of some branches can say so, and
that is lost where the shares of every group of siblings sum to one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from unillmrec.stages.choice_scores import ChoiceScores

if TYPE_CHECKING:
    from unillmrec.stages.options import PathScore

# A choice that the judge left out is not impossible, only the least likely.
LEAST_SHARE = 1e-4

PathScorer: TypeAlias = Callable[[float, ChoiceScores, int], float]
"""Computes the path score of a child: from that of its parent, the scores of all children, and
the key of the child."""


def choose_path_scorer(path_score: PathScore | None, *, has_shares: bool) -> PathScorer:
    """Return the scorer for *path_score*; by default the one that suits the judge's answers.

    Where scores follow from the probabilities of siblings, the best of each group has 100 points,
    so scores of different groups cannot be compared: paths are compared by their sums.
    """
    return _SCORERS[path_score or ("relative" if has_shares else "absolute")]


def _absolute(parent: float, scores: ChoiceScores, key: int) -> float:
    return scores.scores.get(key, 0.0)


def _relative(parent: float, scores: ChoiceScores, key: int) -> float:
    best = max(scores.shares.values(), default=1.0)
    return parent + math.log(_share(scores, key) / max(best, LEAST_SHARE))


def _probability(parent: float, scores: ChoiceScores, key: int) -> float:
    return parent + math.log(_share(scores, key))


def _share(scores: ChoiceScores, key: int) -> float:
    return max(scores.shares.get(key, 0.0), LEAST_SHARE)


_SCORERS: Mapping[PathScore, PathScorer] = {
    "absolute": _absolute,
    "relative": _relative,
    "probability": _probability,
}
