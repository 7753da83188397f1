"""Which way recall goes where that was left open, and why."""

from __future__ import annotations

from unillmrec.budget import Budget
from unillmrec.errors import PersonError
from unillmrec.judge import Profile
from unillmrec.stages.options import WalkChoice
from unillmrec.stages.run import Run

# Above so many items a walk needs a round more than it finds, and vectors sieve better.
MANY_ITEMS = 1_000_000
# What a recommendation takes that asks about branches on the way, and one that asks but once,
# with the profile, the picking and the ranking (benchmarks/results/fidelity.json).
WALK = Budget(tokens=8_000, calls=8, seconds=12.0)
HYBRID = Budget(tokens=6_000, calls=4, seconds=8.0)


def decide(run: Run, profile: Profile) -> WalkChoice:
    """Return the way that was asked for, or the one that suits the person, tree and budget.

    Raises:
        PersonError: the way begins with vectors, and the person has no place among them.
    """
    asked = run.options.walk
    if asked in ("hybrid", "retrieve") and profile.vector is None:
        raise PersonError(
            f"--walk {asked} begins with vectors, and nothing places this person among those "
            f"of {run.tree.path.name}.",
            remedy="--walk best-first, or a --history.",
        )
    if asked != "auto":
        return WalkChoice(asked)
    if profile.vector is None:
        return WalkChoice("best-first", "nothing places the person among the vectors")
    budget = run.tracker.budget if run.tracker else Budget()
    if scarce := _scarce(budget, HYBRID):
        return WalkChoice("retrieve", f"the budget of {scarce} is for little more than the ranking")
    if scarce := _scarce(budget, WALK):
        return WalkChoice(
            "hybrid", f"the budget of {scarce} is for one question before the picking"
        )
    if len(run.tree) >= MANY_ITEMS:
        return WalkChoice("hybrid", f"{len(run.tree):,} items are a long way down")
    return WalkChoice("best-first", f"{len(run.tree):,} items, and the budget allows it")


def _scarce(budget: Budget, needed: Budget) -> str:
    """Name the part of a budget that is below what is needed, if one is."""
    for name in ("tokens", "calls", "seconds"):
        limit = getattr(budget, name)
        if limit is not None and limit < getattr(needed, name):
            return name
    return ""
