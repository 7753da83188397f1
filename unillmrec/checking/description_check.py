"""Measure how well descriptions lead to items: ask at each level which branch holds an item."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from unillmrec.judge import Choice, Dropped, Interest, Judge, Profile, Question
from unillmrec.stages import Run, start_run
from unillmrec.stages.choice_scores import ChoiceScores
from unillmrec.stages.item_lines import format_item
from unillmrec.store import ROOT, ItemTree, Node, PlacedItem
from unillmrec.store.survey import item_numbers
from unillmrec.usage import Stage, Usage

HIDDEN_ITEM_TOKENS = 200
WORST = 10
NEAR = 3
# The questions about this many items are in memory together.
BATCH = 32


@dataclass(frozen=True, slots=True)
class LevelAccuracy:
    """How often the judge chose the branch that holds the item, at one depth of the tree.

    *first* and *among_three* are shares of the *asked* questions in which that branch scored best
    or among the best three; ties count as the probability of a random tie-break. *by_chance* is
    what *first* would be with random choices.
    """

    depth: int
    asked: int
    first: float
    among_three: float
    by_chance: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """A node below which the judge often chose the wrong child.

    *wrong* is the number of wrong choices among the *asked* questions. *meant* and *taken* are the
    ids of the right child and the chosen one in the most frequent mistake.
    """

    node: int
    label: str
    asked: int
    wrong: float
    meant: int | None = None
    taken: int | None = None


@dataclass(frozen=True, slots=True)
class DescriptionCheck:
    """The accuracy for *items* items; *whole_way* is the share found without a wrong choice."""

    judge: str
    items: int
    whole_way: float
    levels: tuple[LevelAccuracy, ...]
    worst: tuple[Confusion, ...]
    usage: Usage
    dropped: Dropped
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return everything as in the JSON output."""
        return {
            "judge": self.judge,
            "items": self.items,
            "whole_way": round(self.whole_way, 4),
            "levels": [
                {name: round(getattr(each, name), 4) for name in LevelAccuracy.__slots__}
                for each in self.levels
            ],
            "worst": [
                {
                    "node": each.node,
                    "label": each.label,
                    "asked": each.asked,
                    "wrong": round(each.wrong, 2),
                    "meant": each.meant,
                    "taken": each.taken,
                }
                for each in self.worst
            ],
            "usage": self.usage.as_dict(),
            "dropped": self.dropped.as_dict(),
            "seconds": round(self.seconds, 3),
        }


def check_descriptions(tree: ItemTree, judge: Judge, count: int, seed: int = 0) -> DescriptionCheck:
    """Let *judge* look for *count* random items from the root down, and measure its accuracy.

    Only items that no description on their path mentions are used. After a wrong choice the
    judge continues from the right branch, so that each level is measured by itself. *seed* draws
    the items.
    """
    started = time.monotonic()
    run = start_run(tree, judge)
    tally = _Tally()
    families: dict[int, tuple[Choice, ...]] = {}
    hidden = draw_hidden_items(tree, count, seed)
    with ThreadPoolExecutor(max(1, judge.at_once), thread_name_prefix="unillmrec") as executor:
        run.asker.executor = executor if judge.at_once > 1 else None
        for start in range(0, len(hidden), BATCH):
            steps = list(_steps(run, hidden[start : start + BATCH], families))
            answers = run.ask([step.question for step in steps])
            for step, windows in zip(steps, answers, strict=True):
                tally.add(step, ChoiceScores.merge(windows).scores)
    return DescriptionCheck(
        judge=judge.name,
        items=len(hidden),
        whole_way=tally.whole_way(),
        levels=tally.levels(),
        worst=tally.worst(tree),
        usage=sum(run.asker.counts.bill.by_stage().values(), Usage()),
        dropped=run.asker.counts.dropped,
        seconds=time.monotonic() - started,
    )


@dataclass(frozen=True, slots=True)
class _Step:
    """One question about one item: which of these children is *right*?"""

    item: int
    parent: int
    depth: int
    right: int
    question: Question


def draw_hidden_items(tree: ItemTree, count: int, seed: int) -> list[tuple[PlacedItem, list[Node]]]:
    """Draw items that no description on their path mentions; return each with its path."""
    numbers = item_numbers(tree)
    random.Random(seed).shuffle(numbers)
    drawn: list[tuple[PlacedItem, list[Node]]] = []
    for start in range(0, len(numbers), max(2 * count, 1)):
        some = numbers[start : start + 2 * count]
        placed = tree.items_by_number(some)
        for number in some:
            if len(drawn) == count:
                return drawn
            path = tree.ancestors(placed[number].leaf)
            if not any(number in node.description.typical for node in path):
                drawn.append((placed[number], path))
    return drawn


def _steps(
    run: Run,
    hidden: Sequence[tuple[PlacedItem, list[Node]]],
    families: dict[int, tuple[Choice, ...]],
) -> Iterator[_Step]:
    vectors = run.tree.item_vectors([placed.number for placed, _ in hidden])
    for (placed, path), vector in zip(hidden, vectors, strict=True):
        hidden_item = Interest(format_item(placed.item, HIDDEN_ITEM_TOKENS), 1.0)
        profile = Profile((hidden_item,), vector)
        for above, node in zip([None, *path], path, strict=False):
            parent = above.id if above else ROOT
            if parent not in families:
                families[parent] = run.branch_choices(run.tree.children(parent))
            choices = families[parent]
            if len(choices) > 1:
                where = above.description.label if above else ""
                question = Question("choose", Stage.RECALL, profile, choices, len(choices), where)
                yield _Step(placed.number, parent, node.depth, node.id, question)


@dataclass(slots=True)
class _Tally:
    """Accumulates accuracy by depth, by node and by item."""

    by_depth: dict[int, list[tuple[float, float, float]]] = field(default_factory=dict)
    by_node: dict[int, list[float]] = field(default_factory=dict)
    by_item: dict[int, float] = field(default_factory=dict)
    mistaken: dict[int, Counter[tuple[int, int]]] = field(default_factory=dict)

    def add(self, step: _Step, scores: Mapping[int, float]) -> None:
        first, near = _credit(scores, step.right, 1), _credit(scores, step.right, NEAR)
        chance = 1 / len(step.question.choices)
        self.by_depth.setdefault(step.depth, []).append((first, near, chance))
        self.by_node.setdefault(step.parent, []).append(1 - first)
        self.by_item[step.item] = self.by_item.get(step.item, 1.0) * first
        taken = max(scores, key=lambda child: scores[child], default=None)
        if taken is not None and not first:
            pairs = self.mistaken.setdefault(step.parent, Counter())
            pairs[step.right, taken] += 1

    def whole_way(self) -> float:
        return sum(self.by_item.values()) / len(self.by_item) if self.by_item else 0.0

    def levels(self) -> tuple[LevelAccuracy, ...]:
        levels = []
        for depth, rows in sorted(self.by_depth.items()):
            means = (sum(column) / len(rows) for column in zip(*rows, strict=True))
            levels.append(LevelAccuracy(depth, len(rows), *means))
        return tuple(levels)

    def worst(self, tree: ItemTree) -> tuple[Confusion, ...]:
        worst = sorted(self.by_node, key=lambda node: (-sum(self.by_node[node]), node))
        return tuple(
            self._confusion(tree.node(node)) for node in worst[:WORST] if sum(self.by_node[node])
        )

    def _confusion(self, node: Node) -> Confusion:
        label = "all items" if node.id == ROOT else node.description.label
        wrong = self.by_node[node.id]
        pairs = self.mistaken.get(node.id, Counter()).most_common(1)
        meant, taken = pairs[0][0] if pairs else (None, None)
        return Confusion(node.id, label, len(wrong), sum(wrong), meant, taken)


def _credit(scores: Mapping[int, float], right: int, places: int) -> float:
    """Return the probability that *right* is among the best *places* with random tie-breaks."""
    if right not in scores:
        return 0.0
    better = sum(score > scores[right] for score in scores.values())
    equal = sum(score == scores[right] for score in scores.values())
    return max(0.0, min(1.0, (places - better) / equal))
