"""From leaves to candidates: the items nearest to the person are shown, the judge picks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from unillmrec.judge import Profile, Question
from unillmrec.stages.recall.frontier import Frontier
from unillmrec.stages.recall.path_scores import NodeScores
from unillmrec.stages.recall.walk import ITEM_LINE
from unillmrec.stages.run import Candidate, Run, WalkStep
from unillmrec.store import Node
from unillmrec.store.nearest import nearest_of_leaves
from unillmrec.usage import Stage

# However small a part of the person an interest is, so many of its items are looked at.
LEAST_SHOWN = 4


def pick(run: Run, profile: Profile, shown: Sequence[Candidate]) -> list[Candidate]:
    """Return as many candidates as wanted: those the judge picks, then the nearest others."""
    wanted = run.options.wanted
    if len(shown) <= wanted:
        # Nothing to choose between: no call.
        return list(shown)
    choices = run.item_choices([each.placed for each in shown], ITEM_LINE)
    windows = run.windows(Question("pick", Stage.RECALL, profile, choices, wanted))
    verdicts = run.ask([part for part, _ in windows])
    picked: dict[int, Candidate] = {}
    by_number = {each.placed.number: each.placed for each in shown}
    for (_, keys), verdict in zip(windows, verdicts, strict=True):
        judged = NodeScores.of(keys, verdict)
        picked |= {
            number: Candidate(by_number[number], score, judged.found)
            for number, score in judged.scores.items()
        }
    best = sorted(picked.values(), key=lambda each: -each.score)[:wanted]
    chosen = {each.placed.number for each in best}
    rest = [each for each in shown if each.placed.number not in chosen]
    return best + rest[: wanted - len(best)]


def filled_up(run: Run, profile: Profile, chosen: Sequence[Candidate]) -> list[Candidate]:
    """Return *chosen*, and as many of the nearest others in the opened leaves as are missing."""
    missing = run.options.wanted - len(chosen)
    if missing <= 0:
        return list(chosen)
    taken = {each.placed.number for each in chosen}
    leaves = [event.opened.id for event in run.opened if event.opened.is_leaf]
    allowed = run.eligibility.among(run.tree.item_numbers_in(leaves))
    others = [number for number in allowed if number not in taken]
    return [*chosen, *nearest_first(run, profile, others, missing)]


def nearest_in_leaves(run: Run, frontiers: Sequence[Frontier]) -> list[Candidate]:
    """Return the items to show: of each frontier's best leaves those nearest to its interest."""
    places = max(run.options.shown, 2 * run.options.wanted)
    first: dict[int, float] = {}
    others: dict[int, float] = {}
    for frontier in frontiers:
        # Of one interest no more are needed; of several, they may be of the same items.
        most = places if len(frontiers) == 1 else len(run.tree)
        near = gather(run, frontier.profile, _best_leaves(run, frontier), most)
        new = [pair for pair in near if pair[0] not in first]
        share = max(LEAST_SHOWN, round(places * frontier.share))
        first |= dict(new[:share])
        # Where an interest has less than its share, the others fill up.
        others |= dict(new[share:])
    filled = first | {number: score for number, score in others.items() if number not in first}
    return candidates(run, list(filled.items())[:places])


def nearest_first(run: Run, profile: Profile, numbers: Sequence[int], most: int) -> list[Candidate]:
    """Return at most *most* items by their likeness to the person; as they came if unknown."""
    if profile.vector is None or not numbers:
        return candidates(run, [(number, 0.0) for number in numbers[:most]])
    near = run.tree.item_similarities(profile.vector, numbers).tolist()
    order = sorted(range(len(numbers)), key=near.__getitem__, reverse=True)[:most]
    return candidates(run, [(numbers[place], 100 * near[place]) for place in order])


def gather(
    run: Run, profile: Profile, leaves: Sequence[Node], most: int
) -> list[tuple[int, float]]:
    """Return at most *most* eligible items of leaves by number, and their likeness to the person.

    That the leaves were read is reported.
    """
    for leaf in leaves:
        run.report(WalkStep(leaf))
    ids = [leaf.id for leaf in leaves]
    if profile.vector is None:
        numbers = run.eligibility.among(run.tree.item_numbers_in(ids))
        return [(number, 0.0) for number in numbers[:most]]
    found = nearest_of_leaves(run.tree, profile.vector, ids, most, run.eligibility)
    return [(number, 100 * near) for number, near in found]


def candidates(run: Run, scored: Sequence[tuple[int, float]]) -> list[Candidate]:
    """Return items that are worth showing; most of those in a leaf are never read."""
    placed = run.tree.items_by_number([number for number, _ in scored])
    return [Candidate(placed[number], score, "nearest") for number, score in scored]


def first_leaves(run: Run, leaves: Iterable[Node], most: int) -> list[Node]:
    """Return the first *most* of *leaves*, and more while they hold too little."""
    kept: list[Node] = []
    items = 0
    for leaf in leaves:
        if len(kept) >= most and items >= run.options.wanted:
            break
        kept.append(leaf)
        items += run.eligible(leaf)
    return kept


def _best_leaves(run: Run, frontier: Frontier) -> list[Node]:
    """Return the frontier's part of the leaves."""
    best = sorted(frontier.leaves, key=lambda each: (-each.worth, each.came))
    most = max(1, round(run.most_leaves * frontier.share))
    return first_leaves(run, (each.node for each in best), most)
