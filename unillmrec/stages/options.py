"""The options of a recommendation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from unillmrec.errors import SettingsError

WalkOrder: TypeAlias = Literal["auto", "best-first", "beam", "depth-first", "hybrid", "retrieve"]
"""How recall searches the tree: "best-first", "beam" and "depth-first" open its branches from the
root down, "hybrid" and "retrieve" begin with the nearest vectors, "auto" picks one of them."""

PathScore: TypeAlias = Literal["absolute", "relative", "probability"]
"""How nodes at different places in the tree are compared: by the judge's own score of each, or
by sums of logarithms along the path, relative to the best sibling or of the probabilities."""


@dataclass(frozen=True, slots=True)
class WalkChoice:
    """The walk order that recall used; *why* is the reason if it was chosen automatically."""

    order: WalkOrder
    why: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a recommendation.

    *limit* is the length of the list. Recall walks in the order *walk*: it opens *branches*
    branches (default: the root and four for each level below it), reads the best *leaves* leaves
    it saw (default: 30), and shows the judge the *shown* items of them that are nearest to the
    person; *candidates* items go on to the ranking. With *whole_leaves* the judge sees all items
    of each leaf, one leaf at a time (default: 12 leaves), and picks *per_leaf* of each.
    *path_score* is how nodes are compared; the default depends on whether the judge gives
    probabilities. *interests* says whether all interests share one walk or each has its own.
    *history* is how many items of the history the judge sees. *profile_from* says what stands for
    the person in later prompts: a profile that the judge writes, or the last titles of the history,
    which cost no call.
    *variety*, between 0 and 1, trades fit for difference in the final list; *most_per_branch*
    limits the items below one child of the root. *reorder* makes the final list varied by
    distances in the tree, by asking the model, or not at all.
    *seed* decides where the lists that a judge sees begin.
    """

    limit: int = 10
    leaves: int | None = None
    shown: int = 72
    candidates: int = 30
    history: int = 30
    profile_from: Literal["model", "titles"] = "model"
    variety: float = 0.2
    most_per_branch: int | None = None
    reorder: Literal["tree", "model", "none"] = "tree"
    walk: WalkOrder = "best-first"
    branches: int | None = None
    path_score: PathScore | None = None
    interests: Literal["together", "apart"] = "together"
    whole_leaves: bool = False
    per_leaf: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        counts = ("limit", "leaves", "branches", "shown", "candidates", "history", "per_leaf")
        for name in counts:
            count = getattr(self, name)
            if count is not None and count < 1:
                raise SettingsError(f"{name} is {count}; it must be at least 1.")
        if not 0 <= self.variety <= 1:
            raise SettingsError(f"variety is {self.variety}; it lies between 0 and 1.")

    def with_limit(self, limit: int) -> Options:
        """Return the same options for a list of another length."""
        return replace(self, limit=limit)

    @property
    def wanted(self) -> int:
        """How many candidates recall should find; more than the list holds."""
        return max(self.candidates, self.limit + self.limit // 2)

    @property
    def proves(self) -> bool:
        """Whether a walk continues until no unopened node can beat the candidates."""
        return self.path_score == "probability"

    @property
    def shows_whole_leaves(self) -> bool:
        """Whether the judge sees all items of a leaf, as in the paper's depth-first walk."""
        return self.whole_leaves or self.walk == "depth-first"
