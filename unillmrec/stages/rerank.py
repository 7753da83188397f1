"""The rerank stage: turn ranked candidates into a varied list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from unillmrec.judge import Profile, Question
from unillmrec.stages.choice_scores import ChoiceScores
from unillmrec.stages.rank import ITEM_LINE
from unillmrec.usage import Stage

if TYPE_CHECKING:
    from unillmrec.stages.run import Candidate, Run

NAME = Stage.RERANK

Path = tuple[int, ...]
"""The ids of the nodes from the root to a leaf."""

# Candidates further down the ranking are too far away for variety to bring them up.
VARIED = 300


def rerank(run: Run, profile: Profile, ranked: Sequence[Candidate]) -> list[Candidate]:
    """Return the final list: `options.limit` candidates, or all if there are fewer."""
    limit = min(run.options.limit, len(ranked))
    paths = _paths(run, ranked)
    allowed = _within_quota(ranked, paths, run.options.most_per_branch, limit)
    if run.options.reorder == "none" or len(allowed) <= 1:
        return allowed[:limit]
    if run.options.reorder == "model":
        return _model_order(run, profile, allowed, limit)
    return _diversify(allowed, paths, limit, run.options.variety)


def _paths(run: Run, candidates: Sequence[Candidate]) -> dict[int, Path]:
    """Return the path to the leaf of each candidate."""
    leaves = {each.placed.leaf for each in candidates}
    nodes = run.tree.ancestors_by_node(leaves)
    return {leaf: tuple(node.id for node in nodes[leaf]) for leaf in leaves}


def _within_quota(
    ranked: Sequence[Candidate], paths: dict[int, Path], most: int | None, limit: int
) -> list[Candidate]:
    """Drop candidates beyond the quota of a branch, but never below *limit* candidates."""
    if most is None:
        return list(ranked)
    taken: Counter[int] = Counter()
    within: list[Candidate] = []
    beyond: list[Candidate] = []
    for each in ranked:
        branch = (paths[each.placed.leaf] or (0,))[0]
        taken[branch] += 1
        (within if taken[branch] <= most else beyond).append(each)
    return within + beyond[: max(limit - len(within), 0)]


def _diversify(
    ranked: Sequence[Candidate], paths: dict[int, Path], limit: int, variety: float
) -> list[Candidate]:
    """Choose candidates one by one, by rank minus similarity to those chosen before."""
    left = list(range(min(len(ranked), VARIED)))
    leaves = [ranked[place].placed.leaf for place in left]
    # Nearness depends only on the leaves, and there are far fewer of them than pairs of items.
    similarity = dict.fromkeys(leaves, 0.0)
    chosen: list[int] = []
    while left and len(chosen) < limit:
        best = max(
            left,
            key=lambda place: (
                (1 - variety) * (1 - place / len(ranked)) - variety * similarity[leaves[place]]
            ),
        )
        left.remove(best)
        chosen.append(best)
        path = paths[leaves[best]]
        for leaf, near in similarity.items():
            similarity[leaf] = max(near, tree_similarity(paths[leaf], path))
    rest = ranked[min(len(ranked), VARIED) :]
    return [ranked[place] for place in chosen] + list(rest)[: limit - len(chosen)]


def tree_similarity(one: Path, other: Path) -> float:
    """Return the share of their paths that two leaves have in common; 1 is the same leaf."""
    if one == other:
        return 1.0
    shared = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        shared += 1
    return 2 * shared / (len(one) + len(other))


def _model_order(
    run: Run, profile: Profile, ranked: Sequence[Candidate], limit: int
) -> list[Candidate]:
    """Let the judge choose the list, and fill it up from the ranking."""
    choices = run.item_choices([each.placed for each in ranked], ITEM_LINE)
    question = Question("rerank", NAME, profile, choices, limit)
    # The first window holds the best of the ranking; the list is made from that.
    window = run.windows(question)[0]
    (verdict,) = run.asker.ask([window])
    by_key = {each.placed.number: each for each in ranked}
    named = list(ChoiceScores.of(window, verdict).scores)[:limit]
    chosen = [by_key[key] for key in named]
    rest = [each for key, each in by_key.items() if key not in set(named)]
    return chosen + rest[: limit - len(chosen)]
