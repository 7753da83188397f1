"""The recall stage: find candidates, by a walk through the tree or by nearest vectors.

Each walk order is an entry in `WALKS`. A new order that opens the tree from the root is an `Order`
in `frontier`; one that begins with vectors is a function in `vector_walks`. Its name also goes
into `WalkOrder` in `stages.options`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from unillmrec.judge import Interest, Profile
from unillmrec.stages.recall.frontier import Frontier, Order, beam, best_first, depth_first
from unillmrec.stages.recall.picking import fill_up, nearest_in_leaves, pick
from unillmrec.stages.recall.tree_walk import BRANCHES_PER_LEVEL, ITEM_LINE, TreeWalk
from unillmrec.stages.recall.vector_walks import hybrid, retrieve
from unillmrec.stages.recall.walk_choice import choose_walk

if TYPE_CHECKING:
    from unillmrec.stages.options import WalkOrder
    from unillmrec.stages.run import Candidate, Run

__all__ = ["ITEM_LINE", "WALKS", "recall"]


def recall(run: Run, profile: Profile) -> list[Candidate]:
    """Return the candidates, best first; all eligible items if no more than those are wanted."""
    run.walk = choose_walk(run, profile)
    # If all items are wanted, there is nothing for vectors to select.
    order: WalkOrder = "best-first" if run.takes_all and _needs_vectors(run) else run.walk.order
    return WALKS[order](run, profile)


def _needs_vectors(run: Run) -> bool:
    return run.walk.order in ("hybrid", "retrieve")


def _walk_with(order: Callable[[Run], Order]) -> Callable[[Run, Profile], list[Candidate]]:
    """Return a walk that opens the tree from the root in this order."""
    return lambda run, profile: _walk_tree(run, profile, order(run))


def _walk_tree(run: Run, profile: Profile, order: Order) -> list[Candidate]:
    walk = TreeWalk(run, _frontiers(run, profile, order))
    walk.go()
    if run.options.shows_whole_leaves:
        best = sorted(walk.candidates.values(), key=lambda e: -walk.path_scores[e.placed.number])
        return fill_up(run, profile, best[: run.options.wanted])
    return pick(run, profile, nearest_in_leaves(run, walk.frontiers))


def _frontiers(run: Run, profile: Profile, order: Order) -> list[Frontier]:
    """Return one frontier for the profile, or one for each interest that has a vector."""
    located = [each for each in profile.interests if each.vector is not None]
    if run.options.interests == "together" or len(located) < 2:
        walkers = [(profile, 1.0)]
    else:
        total = sum(each.weight for each in located)
        walkers = [(_profile_of(each), each.weight / total) for each in located]
    frontiers = []
    for walker, share in walkers:
        frontier = Frontier(walker, share, order, run.options.shows_whole_leaves)
        frontier.add(run.root, 0.0)
        frontiers.append(frontier)
    return frontiers


def _profile_of(interest: Interest) -> Profile:
    return Profile((interest,), interest.vector)


WALKS: Mapping[WalkOrder, Callable[[Run, Profile], list[Candidate]]] = {
    "best-first": _walk_with(lambda run: best_first(run.judge.at_once)),
    "beam": _walk_with(lambda run: beam(run.options.branches or BRANCHES_PER_LEVEL)),
    "depth-first": _walk_with(lambda run: depth_first()),
    "hybrid": hybrid,
    "retrieve": retrieve,
}
