"""Check a whole tree: its invariants, the length of its prompts, the age of its descriptions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from unillmrec.judge import Choice, Profile, PromptWriter, Question, SimilarityJudge
from unillmrec.judge.prompting.prompt_writer import LINE_CEILING, LINE_OVERHEAD
from unillmrec.judge.questions import QuestionKind
from unillmrec.stages import Options, Run
from unillmrec.stages.recall import ITEM_LINE
from unillmrec.store import STALE_SHARE, ItemTree
from unillmrec.store.invariants import breaches
from unillmrec.store.survey import branch_ids, count_nodes, leaf_ids, summary_ages
from unillmrec.usage import Stage

# What a person may take up in a prompt: eight interests, as long as they come.
PERSON_ROOM = 400


@dataclass(slots=True)
class Checked:
    """What was found. *breaches* are sentences; without any, all is well.

    *longest* is the most tokens that a prompt about the children of one node can have,
    *longest_node* that node. *described* counts the nodes with a summary by a model, *stale*
    those whose summary is out of date. That is a breach, though a walk works with them: words
    follow every change by themselves, and what a model wrote has to be renewed by `describe`.
    """

    items: int
    nodes: int
    breaches: list[str] = field(default_factory=list)
    ceiling: int = 0
    longest: int = 0
    longest_node: int | None = None
    described: int = 0
    stale: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return everything as the JSON output gives it."""
        kept = {name: getattr(self, name) for name in self.__slots__}
        return kept | {"seconds": round(self.seconds, 3)}


def check(tree: ItemTree, writer: PromptWriter, share: float = STALE_SHARE) -> Checked:
    """Check everything that must hold for *tree*.

    *share* is the part of its items after whose change a summary is out of date.

    Raises:
        StoreError: the file cannot be read.
    """
    started = time.monotonic()
    checked = Checked(len(tree), count_nodes(tree), ceiling=writer.ceiling)
    checked.breaches += breaches(tree)
    checked.breaches += _wrong_ages(tree, share, checked)
    checked.breaches += _Prompts(tree, writer).too_long(checked)
    checked.seconds = time.monotonic() - started
    return checked


def _wrong_ages(tree: ItemTree, share: float, checked: Checked) -> Iterator[str]:
    """Count summaries, and say which ages are wrong; words are fresh, and have none."""
    for node, size, stale, has_summary in summary_ages(tree):
        checked.described += has_summary
        checked.stale += has_summary and stale > share * size
        if stale < 0 or (stale and not has_summary):
            yield f"node {node} has a summary that {stale:,} items are newer than, and has none"
    if checked.stale:
        verb = "summary is" if checked.stale == 1 else "summaries are"
        yield (
            f"{checked.stale:,} {verb} out of date, more than {share:.0%} of the items below "
            "having changed since; `unillmrec describe --stale` writes them anew"
        )


class _Prompts:
    """The prompts that walks can put to a model, counted without a person in them."""

    def __init__(self, tree: ItemTree, writer: PromptWriter) -> None:
        self._tree = tree
        self._writer = writer
        self._run = Run(tree, SimilarityJudge(tree), Options())

    def too_long(self, checked: Checked) -> Iterator[str]:
        """Count what a model is shown of each node, and say where it is too much."""
        around = self._around("choose") + PERSON_ROOM
        for parent in sorted(branch_ids(self._tree)):
            children = self._tree.children(parent)
            length = around + self._lines(self._run.branch_choices(children))
            if length > checked.longest:
                checked.longest, checked.longest_node = length, parent
            if length > self._writer.ceiling:
                yield self._told("branches", parent, length)
        yield from self._too_long_leaves()

    def _too_long_leaves(self) -> Iterator[str]:
        around = self._around("pick") + PERSON_ROOM
        # Most leaves cannot be too long, whatever is in them; only the others are read.
        room = (self._writer.ceiling - around) // (LINE_CEILING + LINE_OVERHEAD)
        for leaf in leaf_ids(self._tree, min_size=room + 1):
            items = self._tree.items_in([leaf])
            length = around + self._lines(self._run.item_choices(items, ITEM_LINE))
            if length > self._writer.ceiling:
                yield self._told("items", leaf, length)

    def _told(self, what: str, node: int, length: int) -> str:
        return (
            f"the prompt about the {what} of node {node} needs about {length:,} tokens; "
            f"{self._writer.ceiling:,} are allowed"
        )

    def _around(self, kind: QuestionKind) -> int:
        """Return how long a prompt is without its lines."""
        question = Question(kind, Stage.RECALL, Profile(()), (), 1)
        return self._writer.estimate(self._writer.request(question))[0]

    def _lines(self, choices: tuple[Choice, ...]) -> int:
        count, line = self._writer.counter.count, self._writer.line
        return sum(count(line(choice)) + 1 for choice in choices)
