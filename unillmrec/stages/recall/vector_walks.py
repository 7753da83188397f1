"""Walks that begin with vectors: at the nearest items, or at the leaves that hold most of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from unillmrec.judge import Profile, Question
from unillmrec.stages.choice_scores import ChoiceScores
from unillmrec.stages.recall.picking import (
    first_leaves,
    load_candidates,
    nearest_first,
    pick,
    read_leaves,
)
from unillmrec.stages.run import Candidate, Run, WalkStep
from unillmrec.store.nearest import nearest_items
from unillmrec.usage import Stage

if TYPE_CHECKING:
    from unillmrec.store import Node

# A question about this many leaves fits one prompt, and each has a letter.
SHORTLIST = 16
CHOSEN = 8
# Leaves are compared by how many of this many nearest items they hold.
NEAREST = 480


def retrieve(run: Run, profile: Profile) -> list[Candidate]:
    """Return the items nearest to the person in the whole tree; the judge only ranks them."""
    assert profile.vector is not None
    wanted = run.options.wanted
    nearest = nearest_items(run.tree, profile.vector, wanted, run.eligibility)
    run.ended = "target" if len(nearest) == wanted else "exhausted"
    return load_candidates(run, [(number, 100 * near) for number, near in nearest])


def hybrid(run: Run, profile: Profile) -> list[Candidate]:
    """Let the judge choose among the leaves nearest to the person, then pick from their items."""
    assert profile.vector is not None
    places = max(run.options.shown, 2 * run.options.wanted)
    most = max(NEAREST, places)
    near = dict(nearest_items(run.tree, profile.vector, most, run.eligibility))
    leaves = _choose_leaves(run, profile, _nearest_leaves(run, near))
    shown = load_candidates(run, read_leaves(run, profile, leaves, places))
    if len(shown) < run.options.wanted:
        # With a selective filter, leaves hold few eligible items: fill up with the nearest ones.
        found = {each.placed.number for each in shown}
        others = [number for number in near if number not in found]
        shown += nearest_first(run, profile, others, places - len(shown))
    run.ended = "target" if len(shown) >= run.options.wanted else "exhausted"
    return pick(run, profile, shown)


def _nearest_leaves(run: Run, near: Mapping[int, float]) -> list[Node]:
    """Return the leaves with the highest sums of similarities of the items *near*."""
    sums: dict[int, float] = {}
    for number, placed in run.tree.items_by_number(list(near)).items():
        sums[placed.leaf] = sums.get(placed.leaf, 0.0) + max(near[number], 0.0)
    best = sorted(sums, key=lambda leaf: (-sums[leaf], leaf))
    return [run.tree.node(leaf) for leaf in best[:SHORTLIST]]


def _choose_leaves(run: Run, profile: Profile, leaves: Sequence[Node]) -> list[Node]:
    """Return the leaves the judge likes best, and more until they hold enough items."""
    if len(leaves) < 2:
        return list(leaves)
    choices = run.branch_choices(leaves)
    (windows,) = run.ask([Question("choose", Stage.RECALL, profile, choices, len(choices))])
    scores = ChoiceScores.merge(windows).scores
    pairs = tuple((leaf.id, scores.get(leaf.id, 0.0)) for leaf in leaves)
    run.report(WalkStep(run.root, tuple(leaves), pairs, asked=True))
    best = sorted(leaves, key=lambda leaf: -scores.get(leaf.id, 0.0))
    return first_leaves(run, best, CHOSEN)
