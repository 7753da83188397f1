"""How a recommendation is made: everything about it that can be chosen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from unillmrec.errors import SettingsError

WalkOrder: TypeAlias = Literal["auto", "best-first", "beam", "depth-first", "hybrid", "retrieve"]
"""How recall goes about it: the first three open branches of the tree one after the other, the
last two begin with vectors."""

PathScore: TypeAlias = Literal["absolute", "relative", "probability"]
"""What a node is worth on the frontier: its own score, or what its path adds up to."""


@dataclass(frozen=True, slots=True)
class WalkChoice:
    """The order recall went by, and why that one, where it was chosen for the user."""

    order: WalkOrder
    why: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """How a recommendation is made.

    *limit* items come back. Recall goes by *walk*: it opens *branches* branches, by default
    the root and four more for each level below it, gathers the best *leaves* of the leaves it
    saw, thirty by default, and shows the judge the *shown* items of them that are nearest to
    the person; *candidates* go on to the ranking. With *whole_leaves* the judge sees all items
    of each leaf, one leaf at a time and twelve leaves by default, and picks *per_leaf* of them.
    *path_score* says what the frontier goes by: by default the judge's own scores, or sums along
    the path where it gives probabilities and nothing else; *interests* whether each interest of the
    profile walks by itself.
    *variety* trades fit for difference in the final list, between 0 and 1;
    *most_per_branch* caps how many items one child of the root may have in it.
    *reorder* says who makes the final list: the tree's distances, the model, or nobody.
    *seed* turns the lists that a judge is shown.
    """

    limit: int = 10
    leaves: int | None = None
    shown: int = 72
    candidates: int = 30
    history: int = 30
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
        """How many candidates recall is to find: more than the list, so that there is a choice."""
        return max(self.candidates, self.limit + self.limit // 2)

    @property
    def proves(self) -> bool:
        """Whether a walk ends only when nothing that waits can come before what it has."""
        return self.path_score == "probability"

    @property
    def shows_whole_leaves(self) -> bool:
        """Whether the judge sees each leaf whole, as the paper's depth-first walk does."""
        return self.whole_leaves or self.walk == "depth-first"
