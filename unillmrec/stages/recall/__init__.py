"""The recall stage: from a profile to candidates, by a walk through the tree or by vectors."""

from __future__ import annotations

from unillmrec.judge import Interest, Profile
from unillmrec.stages.recall.frontier import Frontier, Order, beam, best_first, depth_first
from unillmrec.stages.recall.picking import filled_up, nearest_in_leaves, pick
from unillmrec.stages.recall.vector_walks import hybrid, retrieve
from unillmrec.stages.recall.walk import BRANCHES_A_LEVEL, ITEM_LINE, Walk
from unillmrec.stages.recall.walk_choice import decide
from unillmrec.stages.run import Candidate, Run

__all__ = ["ITEM_LINE", "recall"]


def recall(run: Run, profile: Profile) -> list[Candidate]:
    """Return the candidates, best first; all eligible items if there are no more than wanted."""
    run.walk = decide(run, profile)
    # Where every eligible item is wanted, there is nothing to search for.
    if not run.takes_all:
        if run.walk.order == "retrieve":
            return retrieve(run, profile)
        if run.walk.order == "hybrid":
            return hybrid(run, profile)
    walk = Walk(run, _frontiers(run, profile))
    walk.go()
    if run.options.shows_whole_leaves:
        best = sorted(walk.candidates.values(), key=lambda e: -walk.worth[e.placed.number])
        return filled_up(run, profile, best[: run.options.wanted])
    return pick(run, profile, nearest_in_leaves(run, walk.frontiers))


def _frontiers(run: Run, profile: Profile) -> list[Frontier]:
    """Return one frontier, or one for each interest that has a place among the vectors."""
    apart = [each for each in profile.interests if each.vector is not None]
    if run.options.interests == "together" or len(apart) < 2:
        walkers = [(profile, 1.0)]
    else:
        total = sum(each.weight for each in apart)
        walkers = [(_alone(each), each.weight / total) for each in apart]
    frontiers = []
    for told, share in walkers:
        frontier = Frontier(told, share, _order(run), run.options.shows_whole_leaves)
        frontier.add(run.root, 0.0)
        frontiers.append(frontier)
    return frontiers


def _alone(interest: Interest) -> Profile:
    return Profile((interest,), interest.vector)


def _order(run: Run) -> Order:
    if run.walk.order == "beam":
        return beam(run.options.branches or BRANCHES_A_LEVEL)
    return depth_first() if run.walk.order == "depth-first" else best_first(run.judge.at_once)
