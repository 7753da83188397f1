"""Recall that begins with vectors: the nearest items of all, or the nearest leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unillmrec.judge import Profile, Question
from unillmrec.stages.recall.path_scores import NodeScores
from unillmrec.stages.recall.picking import candidates, first_leaves, gather, nearest_first, pick
from unillmrec.stages.run import Candidate, Run, WalkStep
from unillmrec.store import Node
from unillmrec.store.nearest import nearest_items
from unillmrec.usage import Stage

# One question about so many leaves fits one prompt, and their labels fit one token each.
SHORTLIST = 16
CHOSEN = 8
# A leaf is as near as what it holds of so many nearest items.
LOOKED_AT = 480


def retrieve(run: Run, profile: Profile) -> list[Candidate]:
    """Return the items nearest to the person, whatever branch they are in, for the ranking."""
    assert profile.vector is not None
    wanted = run.options.wanted
    found = nearest_items(run.tree, profile.vector, wanted, run.eligibility)
    items = run.tree.items_by_number([number for number, _ in found])
    run.ended = "target" if len(found) == wanted else "exhausted"
    return [Candidate(items[number], 100 * near, "nearest") for number, near in found]


def hybrid(run: Run, profile: Profile) -> list[Candidate]:
    """Let the judge choose among the leaves nearest to the person, then pick their items."""
    assert profile.vector is not None
    places = max(run.options.shown, 2 * run.options.wanted)
    most = max(LOOKED_AT, places)
    near = dict(nearest_items(run.tree, profile.vector, most, run.eligibility))
    chosen = _chosen(run, profile, _nearest_leaves(run, near))
    shown = candidates(run, gather(run, profile, chosen, places))
    if len(shown) < run.options.wanted:
        # A sparse filter leaves little in any leaf: the nearest elsewhere fill up.
        there = {each.placed.number for each in shown}
        others = [number for number in near if number not in there]
        shown += nearest_first(run, profile, others, places - len(shown))
    run.ended = "target" if len(shown) >= run.options.wanted else "exhausted"
    return pick(run, profile, shown)


def _nearest_leaves(run: Run, near: Mapping[int, float]) -> list[Node]:
    """Return the leaves that hold most of the items *near*, each item by its likeness."""
    weights: dict[int, float] = {}
    for number, placed in run.tree.items_by_number(list(near)).items():
        weights[placed.leaf] = weights.get(placed.leaf, 0.0) + max(near[number], 0.0)
    best = sorted(weights, key=lambda leaf: (-weights[leaf], leaf))
    return [run.tree.node(leaf) for leaf in best[:SHORTLIST]]


def _chosen(run: Run, profile: Profile, leaves: Sequence[Node]) -> list[Node]:
    """Return the leaves the judge likes best, and more while they hold too little."""
    if len(leaves) < 2:
        return list(leaves)
    choices = run.branch_choices(leaves)
    windows = run.windows(Question("choose", Stage.RECALL, profile, choices, len(choices)))
    verdicts = run.ask([part for part, _ in windows])
    judged = NodeScores.together(
        [NodeScores.of(keys, told) for (_, keys), told in zip(windows, verdicts, strict=True)]
    )
    scores = [(leaf.id, judged.scores.get(leaf.id, 0.0)) for leaf in leaves]
    run.report(WalkStep(run.root, tuple(leaves), tuple(scores), asked=True))
    best = sorted(leaves, key=lambda leaf: -judged.scores.get(leaf.id, 0.0))
    return first_leaves(run, best, CHOSEN)
