"""The loop of every walk from the root: open nodes in order, ask about their contents, repeat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from unillmrec.judge import Question
from unillmrec.stages.choice_scores import ChoiceScores
from unillmrec.stages.recall.path_scores import PathScorer, choose_path_scorer
from unillmrec.stages.run import Candidate, Run, WalkStep
from unillmrec.store import ROOT, Node, PlacedItem
from unillmrec.usage import Stage

if TYPE_CHECKING:
    from unillmrec.budget import BudgetTracker
    from unillmrec.stages.recall.frontier import Frontier, FrontierNode

ITEM_LINE = 110
# A walk opens the root and this many branches for each level below it that has branches. More
# found little for their price (benchmarks/results/fidelity.json).
BRANCHES_PER_LEVEL = 4
FREE_BRANCHES_PER_LEVEL = 32
# The rest of a budget is kept for picking and ranking, without which a walk is useless.
WALK_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class _Opening:
    """A node being opened: its children or items, and the question about them if there is one."""

    frontier: Frontier
    parent: FrontierNode
    children: Sequence[Node] = ()
    items: Sequence[PlacedItem] = ()
    question: Question | None = None


@dataclass(slots=True)
class TreeWalk:
    """A walk from the root that opens nodes in the order of its frontiers.

    If the judge sees whole leaves, *candidates* are the items it picked and *path_scores* theirs,
    by number. Otherwise the result of the walk are the leaves on the *frontiers*.
    """

    run: Run
    frontiers: Sequence[Frontier]
    candidates: dict[int, Candidate] = field(default_factory=dict)
    path_scores: dict[int, float] = field(default_factory=dict)
    _scorer: PathScorer | None = None
    _leaf_sizes: dict[int, int] = field(default_factory=dict)
    _depth: int = 1
    _leaves: int = 0
    _cut: bool = False
    _all_shares: bool = True

    def go(self) -> None:
        """Open nodes until there are enough items, or no nodes left."""
        while batch := self._next_batch():
            openings = [self._open(frontier, node) for frontier, node in batch]
            for opening, scores in zip(openings, self._ask(openings), strict=True):
                if opening.parent.node.is_leaf:
                    self._add_items(opening, scores)
                else:
                    self._add_children(opening, scores)

    # What to open next

    def _next_batch(self) -> list[tuple[Frontier, FrontierNode]]:
        if self._is_finished():
            return []
        batch: list[tuple[Frontier, FrontierNode]] = []
        size = self._batch_size()
        # The frontier that is furthest behind its share comes first.
        for frontier in sorted(self.frontiers, key=lambda each: each.opened / each.share):
            if len(batch) < size:
                taken = frontier.take(size - len(batch))
                batch += [(frontier, each) for each in taken]
        if batch:
            return batch
        if self._has_enough_items():
            self.run.ended = "target"
            return []
        for frontier in self.frontiers:
            frontier.restore_passed_over()
        if any(map(len, self.frontiers)):
            return self._next_batch()
        self.run.ended = "exhausted"
        return []

    def _is_finished(self) -> bool:
        if self.run.options.shows_whole_leaves:
            return self._has_picked_enough()
        # A beam always goes down to the leaves.
        if not self._has_enough_items() or self.frontiers[0].order.by_level:
            return False
        if self._branches_left() > 0:
            return False
        self.run.ended = "target"
        return True

    def _batch_size(self) -> int:
        """Return how many nodes to open in this round."""
        most = self.run.judge.at_once
        tracker = self.run.asker.tracker
        if tracker is not None and not self._cut:
            most = min(most, max(1, tracker.fitting(WALK_SHARE)))
        if self.run.options.shows_whole_leaves or not self._has_enough_items():
            return most
        return max(1, min(most, self._branches_left()))

    def _has_enough_items(self) -> bool:
        """Return whether there are more items than wanted, or as many as there can be."""
        if self.run.options.shows_whole_leaves:
            return len(self.candidates) >= self.run.options.wanted
        found = sum(self._leaf_sizes.values())
        return found >= self.run.options.wanted and not self.run.takes_all

    def _branches_left(self) -> int:
        """Return how many more branches to open; the root is opened once for each frontier."""
        per_level = FREE_BRANCHES_PER_LEVEL if self.run.asker.is_free else BRANCHES_PER_LEVEL
        most = self.run.options.branches or 1 + per_level * self._depth
        return most + len(self.frontiers) - 1 - sum(each.opened for each in self.frontiers)

    def _has_picked_enough(self) -> bool:
        options = self.run.options
        wanted = options.wanted
        if options.proves:
            if self._is_proven(wanted):
                self.run.ended = "certified"
                return True
        elif len(self.candidates) >= wanted:
            self.run.ended = "target"
            return True
        if self._leaves >= self.run.most_leaves and len(self.candidates) >= wanted:
            self.run.ended = "target"
            return True
        return False

    def _is_proven(self, wanted: int) -> bool:
        """Return whether no unopened node can lead to a better item than the candidates.

        Path scores fall with every step down, so that of a node bounds everything below it.
        """
        if len(self.candidates) < wanted or not self._all_shares:
            return False
        found = sorted(self.path_scores.values(), reverse=True)
        bounds = [each.best_score for each in self.frontiers if each.best_score is not None]
        return found[wanted - 1] >= max(bounds, default=float("-inf"))

    # Opening nodes

    def _open(self, frontier: Frontier, parent: FrontierNode) -> _Opening:
        run, node = self.run, parent.node
        if node.is_leaf:
            return self._open_leaf(frontier, parent)
        children = [each for each in run.tree.children(node.id) if run.eligible(each)]
        opening = _Opening(frontier, parent, children)
        if len(children) < 2 or run.takes_all:
            return opening
        where = "" if node.id == ROOT else run.description(node).label
        choices = run.branch_choices(children)
        question = Question(
            "choose", Stage.RECALL, frontier.profile, choices, len(choices), where, node=node.id
        )
        return replace(opening, question=question)

    def _open_leaf(self, frontier: Frontier, parent: FrontierNode) -> _Opening:
        run = self.run
        items = [
            each
            for each in run.tree.items_in([parent.node.id])
            if run.eligibility.allows(each.number) and each.number not in self.candidates
        ]
        opening = _Opening(frontier, parent, items=items)
        # A proof needs the score of every item.
        limit = len(items) if run.options.proves else min(len(items), run.options.per_leaf)
        if len(items) < 2 or (len(items) <= limit and not run.options.proves):
            return opening
        where = run.description(parent.node).label
        choices = run.item_choices(items, ITEM_LINE)
        question = Question("pick", Stage.RECALL, frontier.profile, choices, limit, where)
        return replace(opening, question=question)

    def _ask(self, openings: Sequence[_Opening]) -> list[ChoiceScores | None]:
        """Return the scores for each opening; None if it has no question."""
        questions = [each.question for each in openings if each.question is not None]
        tracker = self.run.asker.tracker
        if tracker is not None and questions and not self._cut and self._is_spent(tracker):
            self._cut = True
            self.run.cut_short(tracker.tightest_limit)
        answers = iter(self.run.ask(questions, paid=not self._cut))
        return [
            None if each.question is None else ChoiceScores.merge(next(answers))
            for each in openings
        ]

    def _is_spent(self, tracker: BudgetTracker) -> bool:
        """Return whether another round would use what picking and ranking need."""
        if self.run.asker.is_free or not self.run.asker.has_limits:
            return False
        return tracker.share_spent >= WALK_SHARE or not tracker.fitting(WALK_SHARE)

    # Adding what was found

    def _add_children(self, opening: _Opening, scores: ChoiceScores | None) -> None:
        """Add children to the frontier; without a question, with the score of their parent."""
        parent, frontier = opening.parent, opening.frontier
        by_key = {} if scores is None else scores.scores
        order = sorted(opening.children, key=lambda child: -by_key.get(child.id, 0.0))
        for child in order:
            frontier.add(child, self._path_score(parent, scores, child.id))
            if child.is_leaf:
                self._leaf_sizes[child.id] = self.run.eligible(child)
            else:
                self._depth = max(self._depth, child.depth)
        default = 100.0 if scores is None else 0.0
        pairs = tuple((child.id, by_key.get(child.id, default)) for child in order)
        self.run.report(
            WalkStep(parent.node, tuple(order), pairs, scores is not None, self._waiting())
        )

    def _add_items(self, opening: _Opening, scores: ChoiceScores | None) -> None:
        """Make the picked items of a leaf candidates; without a question, all of them."""
        self._leaves += 1
        by_key = {} if scores is None else scores.scores
        picked = sorted(opening.items, key=lambda each: -by_key.get(each.number, 0.0))
        if scores is not None and not self.run.options.proves:
            picked = [each for each in picked if each.number in by_key]
            picked = picked[: self.run.options.per_leaf]
        source = "nearest" if scores is None else scores.source
        for each in picked:
            score = by_key.get(each.number, 0.0)
            self.candidates[each.number] = Candidate(each, score, source)
            self.path_scores[each.number] = self._path_score(opening.parent, scores, each.number)
        self.run.report(WalkStep(opening.parent.node, waiting=self._waiting()))

    def _path_score(self, parent: FrontierNode, scores: ChoiceScores | None, key: int) -> float:
        """Return the path score of a child or item; without a question, that of its parent."""
        if scores is None:
            return parent.score
        # Shares that were computed from scores prove nothing.
        self._all_shares = self._all_shares and scores.has_shares
        if self._scorer is None:
            # Chosen once: path scores of one walk must be comparable.
            has_shares = scores.has_shares or self.run.judge.asks_by_letters
            self._scorer = choose_path_scorer(self.run.options.path_score, has_shares=has_shares)
        return self._scorer(parent.score, scores, key)

    def _waiting(self) -> int:
        return sum(map(len, self.frontiers))
