"""The one loop of every walk: open what the order says, judge what is in it, until enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from unillmrec.budget import BudgetTracker
from unillmrec.judge import Question, Verdict
from unillmrec.stages.recall.frontier import Frontier, Waiting
from unillmrec.stages.recall.path_scores import NodeScores, Worth, worth_by
from unillmrec.stages.run import Candidate, Run, WalkStep
from unillmrec.store import ROOT, Node, PlacedItem
from unillmrec.usage import Stage

ITEM_LINE = 110
# The root, and so many branches for each level below it that has branches: more found little
# more for their price (benchmarks/results/fidelity.json).
BRANCHES_A_LEVEL = 4
FREE_BRANCHES_A_LEVEL = 32
# The rest of a budget is for picking and ranking, without which the walk was for nothing.
WALK_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class _Opening:
    """A node that is being opened: what it holds, the questions about that, and their keys."""

    frontier: Frontier
    waiting: Waiting
    children: Sequence[Node] = ()
    items: Sequence[PlacedItem] = ()
    parts: Sequence[tuple[Question, dict[int, int]]] = ()


@dataclass(slots=True)
class Walk:
    """A walk on its way: what it has gathered, and how deep it has seen branches.

    *candidates* and what their paths are *worth* are of whole leaves; where only the nearest
    items are shown, the frontiers' leaves are what a walk is for.
    """

    run: Run
    frontiers: Sequence[Frontier]
    candidates: dict[int, Candidate] = field(default_factory=dict)
    worth: dict[int, float] = field(default_factory=dict)
    _worth_by: Worth | None = None
    _sizes: dict[int, int] = field(default_factory=dict)
    _depth: int = 1
    _leaves: int = 0
    _cut: bool = False
    _by_shares: bool = True

    def go(self) -> None:
        """Open nodes until there is enough, or nothing left to open."""
        while batch := self._next():
            openings = [self._opening(frontier, waiting) for frontier, waiting in batch]
            for opening, judged in zip(openings, self._judged(openings), strict=True):
                if opening.waiting.node.is_leaf:
                    self._take_items(opening, judged)
                else:
                    self._take_children(opening, judged)

    # What is opened next

    def _next(self) -> list[tuple[Frontier, Waiting]]:
        if self._is_enough():
            return []
        batch: list[tuple[Frontier, Waiting]] = []
        places = self._places()
        # Who has had the least of their share comes first.
        for frontier in sorted(self.frontiers, key=lambda each: each.opened / each.share):
            if len(batch) < places:
                taken = frontier.take(places - len(batch))
                batch += [(frontier, each) for each in taken]
        if batch:
            return batch
        if self._has_items():
            self.run.ended = "target"
            return []
        for frontier in self.frontiers:
            frontier.take_passed_over()
        if any(map(len, self.frontiers)):
            return self._next()
        self.run.ended = "exhausted"
        return []

    def _is_enough(self) -> bool:
        if self.run.options.shows_whole_leaves:
            return self._has_picked_enough()
        # A beam goes to the bottom, however many branches that takes.
        if not self._has_items() or self.frontiers[0].order.levels:
            return False
        if self._branches_left() > 0:
            return False
        self.run.ended = "target"
        return True

    def _places(self) -> int:
        """Return how many nodes are opened in this round."""
        most = self.run.judge.at_once
        if self.run.tracker is not None and not self._cut:
            most = min(most, max(1, self.run.tracker.fitting(WALK_SHARE)))
        if self.run.options.shows_whole_leaves or not self._has_items():
            return most
        return max(1, min(most, self._branches_left()))

    def _has_items(self) -> bool:
        """Return whether there are as many items as are wanted, and others to choose from."""
        if self.run.options.shows_whole_leaves:
            return len(self.candidates) >= self.run.options.wanted
        return sum(self._sizes.values()) >= self.run.options.wanted and not self.run.takes_all

    def _branches_left(self) -> int:
        """Return how many more branches are opened; the root is, once for each frontier."""
        a_level = FREE_BRANCHES_A_LEVEL if self.run.is_free else BRANCHES_A_LEVEL
        most = self.run.options.branches or 1 + a_level * self._depth
        return most + len(self.frontiers) - 1 - sum(each.opened for each in self.frontiers)

    def _has_picked_enough(self) -> bool:
        options = self.run.options
        wanted = options.wanted
        if options.proves:
            if self._is_certified(wanted):
                self.run.ended = "certified"
                return True
        elif len(self.candidates) >= wanted:
            self.run.ended = "target"
            return True
        if self._leaves >= self.run.most_leaves and len(self.candidates) >= wanted:
            self.run.ended = "target"
            return True
        return False

    def _is_certified(self, wanted: int) -> bool:
        """Return whether nothing that waits can still come before a candidate.

        Paths are worth less with every step down, so no item below a waiting node can be
        worth more than the node is.
        """
        if len(self.candidates) < wanted or not self._by_shares:
            return False
        worths = sorted(self.worth.values(), reverse=True)
        waiting = [each.best_worth for each in self.frontiers if each.best_worth is not None]
        return worths[wanted - 1] >= max(waiting, default=float("-inf"))

    # Opening

    def _opening(self, frontier: Frontier, waiting: Waiting) -> _Opening:
        run, node = self.run, waiting.node
        if node.is_leaf:
            return self._leaf_opening(frontier, waiting)
        children = [each for each in run.tree.children(node.id) if run.eligible(each)]
        opening = _Opening(frontier, waiting, children)
        if len(children) < 2 or run.takes_all:
            return opening
        where = "" if node.id == ROOT else run.described(node).label
        choices = run.branch_choices(children)
        question = Question(
            "choose", Stage.RECALL, frontier.profile, choices, len(choices), where, node=node.id
        )
        return replace(opening, parts=run.windows(question))

    def _leaf_opening(self, frontier: Frontier, waiting: Waiting) -> _Opening:
        run = self.run
        items = [
            each
            for each in run.tree.items_in([waiting.node.id])
            if run.eligibility.allows(each.number) and each.number not in self.candidates
        ]
        opening = _Opening(frontier, waiting, items=items)
        # A proof needs to know of every item what it is worth.
        limit = len(items) if run.options.proves else min(len(items), run.options.per_leaf)
        if len(items) < 2 or (len(items) <= limit and not run.options.proves):
            return opening
        where = run.described(waiting.node).label
        choices = run.item_choices(items, ITEM_LINE)
        question = Question("pick", Stage.RECALL, frontier.profile, choices, limit, where)
        return replace(opening, parts=run.windows(question))

    def _judged(self, openings: Sequence[_Opening]) -> list[NodeScores | None]:
        """Return what the judge makes of each opening; None where there was nothing to ask."""
        verdicts = iter(self._ask([part for each in openings for part, _ in each.parts]))
        judged = [
            [NodeScores.of(keys, next(verdicts)) for _, keys in opening.parts]
            for opening in openings
        ]
        return [NodeScores.together(parts) if parts else None for parts in judged]

    def _ask(self, questions: Sequence[Question]) -> list[Verdict]:
        tracker = self.run.tracker
        if tracker is not None and questions and not self._cut and self._is_spent(tracker):
            self._cut = True
            self.run.cut_short(tracker.scarcest)
        if self._cut:
            return self.run.ask_nobody(questions)
        return self.run.ask(questions)

    def _is_spent(self, tracker: BudgetTracker) -> bool:
        """Return whether another round would take what picking and ranking need."""
        if self.run.is_free or not self.run.has_limits:
            return False
        return tracker.share_spent >= WALK_SHARE or not tracker.fitting(WALK_SHARE)

    # What was found

    def _take_children(self, opening: _Opening, judged: NodeScores | None) -> None:
        """Let children wait; what was not asked about is worth what its parent is."""
        waiting, frontier = opening.waiting, opening.frontier
        told = {} if judged is None else judged.scores
        order = sorted(opening.children, key=lambda child: -told.get(child.id, 0.0))
        for child in order:
            frontier.add(child, self._worth(waiting, judged, child.id))
            if child.is_leaf:
                self._sizes[child.id] = self.run.eligible(child)
            else:
                self._depth = max(self._depth, child.depth)
        shown = 100.0 if judged is None else 0.0
        scores = tuple((child.id, told.get(child.id, shown)) for child in order)
        left = sum(map(len, self.frontiers))
        self.run.report(WalkStep(waiting.node, tuple(order), scores, judged is not None, left))

    def _take_items(self, opening: _Opening, judged: NodeScores | None) -> None:
        """Keep the items of a leaf that were picked; all of them where nothing was asked."""
        waiting = opening.waiting
        self._leaves += 1
        picked = sorted(opening.items, key=lambda each: -_told(judged, each))
        if judged is not None and not self.run.options.proves:
            picked = [each for each in picked if each.number in judged.scores]
            picked = picked[: self.run.options.per_leaf]
        for each in picked:
            found = "nearest" if judged is None else judged.found
            self.candidates[each.number] = Candidate(each, _told(judged, each), found)
            self.worth[each.number] = self._worth(waiting, judged, each.number)
        left = sum(map(len, self.frontiers))
        self.run.report(WalkStep(waiting.node, waiting=left))

    def _worth(self, waiting: Waiting, judged: NodeScores | None, key: int) -> float:
        """Return what is found below a node is worth; unasked, as much as the node itself."""
        if judged is None:
            return waiting.worth
        # Shares that were made out of scores prove nothing.
        self._by_shares = self._by_shares and judged.by_shares
        if self._worth_by is None:
            # Once for the whole walk: what is worth more must mean the same everywhere.
            by_letters = judged.by_shares or self.run.judge.asks_by_letters
            self._worth_by = worth_by(self.run.options.path_score, by_shares=by_letters)
        return self._worth_by(waiting.worth, judged, key)


def _told(judged: NodeScores | None, each: PlacedItem) -> float:
    return judged.scores.get(each.number, 0.0) if judged else 0.0
