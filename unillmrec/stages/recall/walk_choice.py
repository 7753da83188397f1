"""Resolve `--walk auto` to a walk order, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unillmrec.budget import Budget
from unillmrec.errors import PersonError
from unillmrec.stages.options import WalkChoice

if TYPE_CHECKING:
    from unillmrec.judge import Profile
    from unillmrec.stages.run import Run

# In a tree with more items, a walk needs another round for little gain, and vectors preselect
# better.
MANY_ITEMS = 1_000_000
# What a recommendation needs with a walk through the branches, and with a single question about
# leaves; both with profile, picking and ranking (benchmarks/results/fidelity.json).
WALK = Budget(tokens=8_000, calls=8, seconds=12.0)
HYBRID = Budget(tokens=6_000, calls=4, seconds=8.0)


def choose_walk(run: Run, profile: Profile) -> WalkChoice:
    """Return the walk order of the options, or the one that suits person, tree and budget.

    Raises:
        PersonError: the order begins with vectors, and the person has none.
    """
    order = run.options.walk
    if order in ("hybrid", "retrieve") and profile.vector is None:
        raise PersonError(
            f"--walk {order} begins with vectors, and nothing places this person among those "
            f"of {run.tree.path.name}.",
            remedy="--walk best-first, or a --history.",
        )
    if order != "auto":
        return WalkChoice(order)
    if profile.vector is None:
        return WalkChoice("best-first", "nothing places the person among the vectors")
    tracker = run.asker.tracker
    budget = tracker.budget if tracker else Budget()
    if name := _too_small(budget, HYBRID):
        return WalkChoice("retrieve", f"the budget of {name} is for little more than the ranking")
    if name := _too_small(budget, WALK):
        return WalkChoice("hybrid", f"the budget of {name} is for one question before the picking")
    if len(run.tree) >= MANY_ITEMS:
        return WalkChoice("hybrid", f"{len(run.tree):,} items are a long way down")
    return WalkChoice("best-first", f"{len(run.tree):,} items, and the budget allows it")


def _too_small(budget: Budget, needed: Budget) -> str:
    """Return the name of a limit that is below what is needed, or an empty string."""
    for name in ("tokens", "calls", "seconds"):
        limit = getattr(budget, name)
        if limit is not None and limit < getattr(needed, name):
            return name
    return ""
