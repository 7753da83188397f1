"""Check a whole tree: its invariants, the length of its prompts, the age of its summaries."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from unillmrec.errors import StoreError
from unillmrec.judge import Choice, Profile, PromptWriter, Question, SimilarityJudge
from unillmrec.judge.prompting.prompt_writer import LINE_CEILING, LINE_OVERHEAD
from unillmrec.judge.questions import QuestionKind
from unillmrec.stages import start_run
from unillmrec.stages.recall import ITEM_LINE
from unillmrec.store import STALE_SHARE, ItemTree
from unillmrec.store.decoding import DECODE_ERRORS
from unillmrec.store.integrity.diagnosis import find_damage
from unillmrec.store.survey import branch_ids, leaf_ids, summary_ages
from unillmrec.usage import Stage

# The tokens a prompt reserves for the person: eight interests of the greatest length.
PERSON_ROOM = 400


@dataclass(slots=True)
class TreeCheck:
    """The result of a check. *breaches* are sentences; a sound tree has none.

    *longest* is the number of tokens of the longest prompt about the children of one node,
    *longest_node* that node. *described* counts the nodes with a summary by a model, *stale*
    those whose summary is out of date. A stale summary is a breach, though recall still works
    with it: words follow every change, but only `describe` renews a summary.
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
        """Return the fields of the JSON output."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"seconds": round(self.seconds, 3)}


def check(tree: ItemTree, writer: PromptWriter, share: float = STALE_SHARE) -> TreeCheck:
    """Check that *tree* is consistent, its prompts are short enough, its summaries fresh enough.

    A summary is out of date when more than *share* of its node's items changed since.

    Raises:
        StoreError: the file cannot be read.
    """
    started = time.monotonic()
    result = TreeCheck(len(tree), 0, ceiling=writer.ceiling)
    # The file may change while it is read.
    with tree.snapshot():
        result.breaches += find_damage(tree)
        try:
            _check_nodes(result, tree, writer, share)
        except (StoreError, *DECODE_ERRORS):
            # What was found explains it; a sound tree has no such excuse.
            if not result.breaches:
                raise
    result.seconds = time.monotonic() - started
    return result


def _check_nodes(result: TreeCheck, tree: ItemTree, writer: PromptWriter, share: float) -> None:
    """Add the breaches of summaries and prompts to *result*, and count the nodes."""
    ages = summary_ages(tree)
    result.nodes = len(ages)
    for age in ages:
        result.described += age.has_summary
        result.stale += age.has_summary and age.stale > share * age.size
        if age.stale < 0 or (age.stale and not age.has_summary):
            result.breaches.append(
                f"node {age.node} counts {age.stale:,} items newer than its summary, but has none"
            )
    if result.stale:
        result.breaches.append(_stale_breach(result.stale, share))
    result.breaches += _PromptLengths(tree, writer).find_too_long(result)


def _stale_breach(count: int, share: float) -> str:
    verb = "summary is" if count == 1 else "summaries are"
    return (
        f"{count:,} {verb} out of date: more than {share:.0%} of the items below changed since; "
        "`unillmrec describe --stale` renews them"
    )


class _PromptLengths:
    """The lengths of the prompts that recall can send, with room for any person."""

    def __init__(self, tree: ItemTree, writer: PromptWriter) -> None:
        self._tree = tree
        self._writer = writer
        self._run = start_run(tree, SimilarityJudge(tree))

    def find_too_long(self, result: TreeCheck) -> Iterator[str]:
        """Yield a breach for each prompt over the ceiling; note the longest in *result*."""
        frame = self._frame("choose") + PERSON_ROOM
        for parent in sorted(branch_ids(self._tree)):
            children = self._tree.children(parent)
            length = frame + self._lines(self._run.branch_choices(children))
            if length > result.longest:
                result.longest, result.longest_node = length, parent
            if length > self._writer.ceiling:
                yield self._breach("branches", parent, length)
        yield from self._too_long_leaves()

    def _too_long_leaves(self) -> Iterator[str]:
        frame = self._frame("pick") + PERSON_ROOM
        # Smaller leaves fit with the longest possible lines, so only larger ones are read.
        fitting = (self._writer.ceiling - frame) // (LINE_CEILING + LINE_OVERHEAD)
        for leaf in leaf_ids(self._tree, min_size=fitting + 1):
            items = self._tree.items_in([leaf])
            length = frame + self._lines(self._run.item_choices(items, ITEM_LINE))
            if length > self._writer.ceiling:
                yield self._breach("items", leaf, length)

    def _breach(self, choices: str, node: int, length: int) -> str:
        return (
            f"the prompt about the {choices} of node {node} needs about {length:,} tokens; "
            f"{self._writer.ceiling:,} are allowed"
        )

    def _frame(self, kind: QuestionKind) -> int:
        """Return the tokens of a prompt without any choices."""
        question = Question(kind, Stage.RECALL, Profile(()), (), 1)
        return self._writer.estimate(self._writer.request(question))[0]

    def _lines(self, choices: tuple[Choice, ...]) -> int:
        count, line = self._writer.counter.count, self._writer.line
        return sum(count(line(choice)) + 1 for choice in choices)
