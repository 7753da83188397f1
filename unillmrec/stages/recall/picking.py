"""From leaves to candidates: show the judge the items nearest to the person, and let it pick."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from unillmrec.judge import Profile, Question
from unillmrec.stages.recall.tree_walk import ITEM_LINE
from unillmrec.stages.run import Candidate, Run, WalkStep
from unillmrec.store.nearest import nearest_of_leaves
from unillmrec.usage import Stage

if TYPE_CHECKING:
    from unillmrec.stages.recall.frontier import Frontier
    from unillmrec.store import Node

# Every interest, however small its weight, gets this many of the shown items.
LEAST_SHOWN = 4


def pick(run: Run, profile: Profile, shown: Sequence[Candidate]) -> list[Candidate]:
    """Return the wanted number of candidates: those the judge picks, then the nearest others."""
    wanted = run.options.wanted
    if len(shown) <= wanted:
        # All of them are taken: no call.
        return list(shown)
    choices = run.item_choices([each.placed for each in shown], ITEM_LINE)
    (windows,) = run.ask([Question("pick", Stage.RECALL, profile, choices, wanted)])
    by_number = {each.placed.number: each.placed for each in shown}
    picked = {
        number: Candidate(by_number[number], score, window.source)
        for window in windows
        for number, score in window.scores.items()
    }
    best = sorted(picked.values(), key=lambda each: -each.score)[:wanted]
    chosen = {each.placed.number for each in best}
    rest = [each for each in shown if each.placed.number not in chosen]
    return best + rest[: wanted - len(best)]


def fill_up(run: Run, profile: Profile, chosen: Sequence[Candidate]) -> list[Candidate]:
    """Return *chosen*, filled up to the wanted number with the nearest items of opened leaves."""
    missing = run.options.wanted - len(chosen)
    if missing <= 0:
        return list(chosen)
    taken = {each.placed.number for each in chosen}
    leaves = [step.opened.id for step in run.steps if step.opened.is_leaf]
    allowed = run.eligibility.filter(run.tree.item_numbers_in(leaves))
    others = [number for number in allowed if number not in taken]
    return [*chosen, *nearest_first(run, profile, others, missing)]


def nearest_in_leaves(run: Run, frontiers: Sequence[Frontier]) -> list[Candidate]:
    """Return the items to show: those nearest to each frontier's profile in its best leaves."""
    places = max(run.options.shown, 2 * run.options.wanted)
    first: dict[int, float] = {}
    others: dict[int, float] = {}
    for frontier in frontiers:
        # Several interests may find the same items, so each looks at all of them.
        most = places if len(frontiers) == 1 else len(run.tree)
        near = read_leaves(run, frontier.profile, _best_leaves(run, frontier), most)
        new = [pair for pair in near if pair[0] not in first]
        share = max(LEAST_SHOWN, round(places * frontier.share))
        first |= dict(new[:share])
        # If an interest has less than its share, items of the others take the places.
        others |= dict(new[share:])
    filled = first | {number: score for number, score in others.items() if number not in first}
    return load_candidates(run, list(filled.items())[:places])


def nearest_first(run: Run, profile: Profile, numbers: Sequence[int], most: int) -> list[Candidate]:
    """Return at most *most* items, the nearest first; in the given order without a vector."""
    if profile.vector is None or not numbers:
        return load_candidates(run, [(number, 0.0) for number in numbers[:most]])
    near = run.tree.item_similarities(profile.vector, numbers).tolist()
    order = sorted(range(len(numbers)), key=near.__getitem__, reverse=True)[:most]
    return load_candidates(run, [(numbers[place], 100 * near[place]) for place in order])


def read_leaves(
    run: Run, profile: Profile, leaves: Sequence[Node], most: int
) -> list[tuple[int, float]]:
    """Return at most *most* eligible items of *leaves*, as pairs of number and similarity.

    Every leaf is reported as opened.
    """
    for leaf in leaves:
        run.report(WalkStep(leaf))
    ids = [leaf.id for leaf in leaves]
    if profile.vector is None:
        numbers = run.eligibility.filter(run.tree.item_numbers_in(ids))
        return [(number, 0.0) for number in numbers[:most]]
    nearest = nearest_of_leaves(run.tree, profile.vector, ids, most, run.eligibility)
    return [(number, 100 * near) for number, near in nearest]


def load_candidates(run: Run, scored: Sequence[tuple[int, float]]) -> list[Candidate]:
    """Return candidates for pairs of an item's number and its score."""
    placed = run.tree.items_by_number([number for number, _ in scored])
    return [Candidate(placed[number], score, "nearest") for number, score in scored]


def first_leaves(run: Run, leaves: Iterable[Node], most: int) -> list[Node]:
    """Return the first *most* of *leaves*, and more until they hold as many items as wanted."""
    first: list[Node] = []
    items = 0
    for leaf in leaves:
        if len(first) >= most and items >= run.options.wanted:
            break
        first.append(leaf)
        items += run.eligible(leaf)
    return first


def _best_leaves(run: Run, frontier: Frontier) -> list[Node]:
    """Return the best leaves of a frontier, as many as its share."""
    best = sorted(frontier.leaves, key=lambda each: (-each.score, each.number))
    most = max(1, round(run.most_leaves * frontier.share))
    return first_leaves(run, (each.node for each in best), most)
