"""The recall stage: walk the tree best first, gather leaves, pick items out of them."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from unillmrec.judge import Profile, Question
from unillmrec.stages.run import Candidate, Event, Found, Run
from unillmrec.store import ROOT, Node, PlacedItem
from unillmrec.tree.vectors import similarities
from unillmrec.usage import Stage

NAME = Stage.RECALL
ITEM_LINE = 110
# Branches the judge left out are not worth opening, but they are all that remains when the
# others do not hold enough items.
LEFT_OUT = 0.0


@dataclass(order=True, slots=True)
class _Waiting:
    """A node on the frontier. Equal scores are taken in the order they came."""

    negative_score: float
    came: int
    node: Node = field(compare=False)


def recall(run: Run, profile: Profile) -> list[Candidate]:
    """Return the candidates, best first; all eligible items if there are no more than wanted."""
    leaves = _walk(run, profile)
    items = [
        each
        for each in run.tree.items_in([leaf.id for leaf in leaves])
        if run.eligibility.allows(each.number)
    ]
    wanted = run.options.wanted
    if len(items) <= wanted:
        # Nothing to choose between: no call.
        return _nearest_first(run, profile, items)
    shown = _nearest_first(run, profile, items)[: max(run.options.shown, 2 * wanted)]
    return _picked(run, profile, shown, wanted)


def _walk(run: Run, profile: Profile) -> list[Node]:
    """Open nodes best first until enough leaves, with enough items, are gathered."""
    root = run.tree.node(ROOT)
    frontier = [_Waiting(-100.0, 0, root)]
    gathered: list[Node] = []
    items = 0
    came = 0
    while frontier and (len(gathered) < run.options.leaves or items < run.options.wanted):
        inner: list[Node] = []
        inherited: list[float] = []
        while frontier and len(inner) < run.judge.at_once:
            # What is below the nodes to be opened now may be better than this leaf.
            if inner and frontier[0].node.is_leaf:
                break
            best = heapq.heappop(frontier)
            if best.node.is_leaf:
                gathered.append(best.node)
                items += run.eligible(best.node)
                _report(run, Event(best.node, waiting=len(frontier)))
                if len(gathered) >= run.options.leaves and items >= run.options.wanted:
                    break
            else:
                inner.append(best.node)
                inherited.append(-best.negative_score)
        for node, scored in zip(inner, _open(run, profile, inner, inherited), strict=True):
            for child, score in scored:
                came += 1
                heapq.heappush(frontier, _Waiting(-score, came, child))
            _report_opened(run, node, scored, len(frontier))
    return gathered


def _report(run: Run, event: Event) -> None:
    run.opened.append(event)
    run.watch(event)


def _report_opened(run: Run, node: Node, scored: list[tuple[Node, float]], waiting: int) -> None:
    children = tuple(child for child, _ in scored)
    scores = tuple((child.id, score) for child, score in scored)
    _report(run, Event(node, children, scores, _is_asked(run, children), waiting))


def _open(
    run: Run, profile: Profile, nodes: Sequence[Node], inherited: Sequence[float]
) -> list[list[tuple[Node, float]]]:
    """Return for each node its children with their scores, best first.

    Children without an eligible item are not offered; an only child takes over its
    parent's score without a question, and so do all where all will be taken.
    """
    families = [
        [child for child in run.tree.children(node.id) if run.eligible(child)] for node in nodes
    ]
    asked = [n for n, family in enumerate(families) if _is_asked(run, family)]
    questions = [_branch_question(run, profile, nodes[n], families[n]) for n in asked]
    answered = dict(zip(asked, _scores(run, questions), strict=True))
    opened = []
    for number, family in enumerate(families):
        if number in answered:
            pairs = [(child, answered[number].get(child.id, LEFT_OUT)) for child in family]
        else:
            pairs = [(child, inherited[number]) for child in family]
        opened.append(sorted(pairs, key=lambda pair: -pair[1]))
    return opened


def _is_asked(run: Run, family: Sequence[Node]) -> bool:
    return len(family) > 1 and not run.takes_all


def _scores(run: Run, questions: Sequence[Question]) -> list[dict[int, float]]:
    """Return for each question the scores by key, whether it fitted one prompt or several."""
    parted = [run.windows(question) for question in questions]
    verdicts = iter(run.ask([part for windows in parted for part, _ in windows]))
    return [
        {keys[number]: score for _, keys in windows for number, score in next(verdicts).scores}
        for windows in parted
    ]


def _found(run: Run, question: Question) -> dict[int, tuple[float, Found]]:
    """Return the scores by key, each with who gave it."""
    windows = run.windows(question)
    verdicts = run.ask([part for part, _ in windows])
    return {
        keys[number]: (score, "fallback" if verdict.stand_in else "judge")
        for (_, keys), verdict in zip(windows, verdicts, strict=True)
        for number, score in verdict.scores
    }


def _branch_question(run: Run, profile: Profile, node: Node, family: Sequence[Node]) -> Question:
    choices = run.branch_choices(family)
    where = "" if node.id == ROOT else run.described(node).label
    return Question("choose", NAME, profile, choices, len(choices), where)


def _nearest_first(run: Run, profile: Profile, items: Sequence[PlacedItem]) -> list[Candidate]:
    """Return *items* by their likeness to the person; as they came if nothing is known."""
    if profile.taste is None or not items:
        return [Candidate(each, 0.0, "nearest") for each in items]
    near = similarities(profile.taste, run.tree.item_vectors([each.number for each in items]))
    order = sorted(range(len(items)), key=lambda place: -near[place])
    return [Candidate(items[place], 100 * float(near[place]), "nearest") for place in order]


def _picked(run: Run, profile: Profile, shown: Sequence[Candidate], wanted: int) -> list[Candidate]:
    """Let the judge pick; the nearest of the rest fill up what it leaves open."""
    placed = [each.placed for each in shown]
    choices = run.item_choices(placed, ITEM_LINE)
    question = Question("pick", NAME, profile, choices, wanted)
    found = _found(run, question)
    by_number = {each.number: each for each in placed}
    picked = sorted(found, key=lambda number: -found[number][0])[:wanted]
    chosen = [Candidate(by_number[number], *found[number]) for number in picked]
    rest = [each for each in shown if each.placed.number not in set(picked)]
    return chosen + rest[: wanted - len(chosen)]
