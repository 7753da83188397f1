"""The rerank stage: from ranked candidates to a list with variety."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from unillmrec.judge import Profile, Question
from unillmrec.stages.rank import ITEM_LINE
from unillmrec.stages.run import Candidate, Run
from unillmrec.usage import Stage

NAME = Stage.RERANK

Path = tuple[int, ...]

VARIED = 300


def rerank(run: Run, profile: Profile, ranked: Sequence[Candidate]) -> list[Candidate]:
    """Return the final list: `options.limit` items, or all there are."""
    limit = min(run.options.limit, len(ranked))
    paths = _paths(run, ranked)
    allowed = _within_quota(ranked, paths, run.options.most_per_branch, limit)
    if run.options.reorder == "none" or len(allowed) <= 1:
        return allowed[:limit]
    if run.options.reorder == "model":
        return _model_order(run, profile, allowed, limit)
    return _varied(allowed, paths, limit, run.options.variety)


def _paths(run: Run, candidates: Sequence[Candidate]) -> dict[int, Path]:
    """Return for each leaf the ids of the nodes that lead to it."""
    leaves = {each.placed.leaf for each in candidates}
    ways = run.tree.ancestors_by_node(leaves)
    return {leaf: tuple(node.id for node in ways[leaf]) for leaf in leaves}


def _within_quota(
    ranked: Sequence[Candidate], paths: dict[int, Path], most: int | None, limit: int
) -> list[Candidate]:
    """Return the candidates without those beyond a branch's quota.

    The quota gives way where keeping it would leave the list short.
    """
    if most is None:
        return list(ranked)
    taken: Counter[int] = Counter()
    kept: list[Candidate] = []
    beyond: list[Candidate] = []
    for each in ranked:
        branch = (paths[each.placed.leaf] or (0,))[0]
        taken[branch] += 1
        (kept if taken[branch] <= most else beyond).append(each)
    return kept + beyond[: max(limit - len(kept), 0)]


def _varied(
    ranked: Sequence[Candidate], paths: dict[int, Path], limit: int, variety: float
) -> list[Candidate]:
    """Choose one by one, each for its place in the ranking less its nearness to the chosen.

    What is beyond the first few hundred is too far down for variety to bring it up.
    """
    left = list(range(min(len(ranked), VARIED)))
    leaves = [ranked[place].placed.leaf for place in left]
    # Nearness is a matter of leaves, of which there are far fewer than pairs of items.
    nearness = dict.fromkeys(leaves, 0.0)
    chosen: list[int] = []
    while left and len(chosen) < limit:
        best = max(
            left,
            key=lambda place: (
                (1 - variety) * (1 - place / len(ranked)) - variety * nearness[leaves[place]]
            ),
        )
        left.remove(best)
        chosen.append(best)
        path = paths[leaves[best]]
        for leaf, near in nearness.items():
            nearness[leaf] = max(near, tree_nearness(paths[leaf], path))
    rest = ranked[min(len(ranked), VARIED) :]
    return [ranked[place] for place in chosen] + list(rest)[: limit - len(chosen)]


def tree_nearness(one: Path, other: Path) -> float:
    """Return how much of their ways from the root two leaves share: 1 is the same leaf."""
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
    """Let the judge put the list together; the ranking fills up what it leaves open."""
    choices = run.item_choices([each.placed for each in ranked], ITEM_LINE)
    question = Question("rerank", NAME, profile, choices, limit)
    # The first window holds the best of the ranking, which is what the list is made from.
    part, keys = run.windows(question)[0]
    (verdict,) = run.ask([part])
    by_key = {each.placed.number: each for each in ranked}
    named = [keys[number] for number, _ in verdict.scores][:limit]
    chosen = [by_key[key] for key in named]
    rest = [each for key, each in by_key.items() if key not in set(named)]
    return chosen + rest[: limit - len(chosen)]
