"""Baselines that ask a model, or estimate its cost: one long list, and a shortlist by vectors."""

from __future__ import annotations

from collections.abc import Sequence

from unillmrec.evaluation.data.cases import EvaluationCase, EvaluationData
from unillmrec.evaluation.systems.content import FlatVectors
from unillmrec.evaluation.systems.contract import RankedList
from unillmrec.evaluation.systems.unillmrec_system import UnillmrecSystem
from unillmrec.items import Item, one_line
from unillmrec.judge import Choice, Interest, Judge, Profile, Question
from unillmrec.judge.prompting.prompt_writer import PromptWriter
from unillmrec.recommending.recommender import Recommender
from unillmrec.stages import Options
from unillmrec.store import ItemTree
from unillmrec.usage import Stage, Usage

# The length of the shortlist: as many items as a walk shows of its leaves.
SHORTLIST = 72
# How many titles of the history the flat listing and the paper's scheme show.
HISTORY = 50
TITLE_LENGTH = 160
# Longer lists are never sent, whatever the model could read.
FLAT_CEILING = 100_000
UNBOUNDED = 1 << 40
VECTORS_ANSWER = "the tree's vectors answer, prompts are counted and not sent"


def estimated_usage(calls: int, prompt: int, completion: int) -> Usage:
    """Return the usage of calls that were not made; the server's counts are unknown."""
    return Usage(calls, None, None, None, None, prompt, completion)


def one_line_title(item: Item) -> str:
    """Return the title of an item in one line, or its id if there is no title."""
    return one_line(item.title, TITLE_LENGTH) or one_line(item.id, TITLE_LENGTH)


def retrieve_and_rank(
    tree: ItemTree, judge: Judge, estimating: Judge | None = None
) -> UnillmrecSystem:
    """Return the system in which the judge ranks the nearest items, without a walk.

    *estimating* is a judge that bills what a model would cost.
    """
    return UnillmrecSystem(
        Recommender(tree, judge),
        Options(walk="retrieve", candidates=SHORTLIST, reorder="none"),
        "retrieve and rank",
        estimating=Recommender(tree, estimating) if estimating else None,
        remark=VECTORS_ANSWER if estimating else "",
    )


class FlatListing:
    """Lists the titles of the whole catalog in one prompt, after those of the history.

    The *judge* is asked if the list is short enough to be sent. Otherwise the tree's vectors
    answer, and the prompt is only counted.
    """

    name = "flat listing"
    zero_shot = True

    def __init__(self, tree: ItemTree, writer: PromptWriter, judge: Judge | None = None) -> None:
        self._tree = tree
        self._vectors = FlatVectors(tree)
        self._writer = PromptWriter(writer.prompts, writer.counter, UNBOUNDED)
        self._judge = judge

    @property
    def note(self) -> str:
        """The judge, or that the vectors answer."""
        if self._judge:
            return self._judge.name
        return f"one prompt with all titles; {VECTORS_ANSWER}"

    def learn(self, data: EvaluationData) -> None:
        """Count the tokens of the list once; only the history differs between people."""
        self._index = data.index
        self._vectors.learn(data)
        self._titles = [one_line_title(item) for item in data.index.items]
        count = self._writer.counter.count
        self.listed = sum(count(f"{n}. {title}\n") for n, title in enumerate(self._titles, 1))
        if self.listed > FLAT_CEILING:
            self._judge = None
        self._numbers: list[int] = []
        if self._judge:
            placed = self._tree.items_by_id([item.id for item in data.index.items])
            self._numbers = [placed[item.id].number for item in data.index.items]

    def answer(self, case: EvaluationCase, limit: int) -> RankedList:
        """Return the judge's picks, or the nearest items."""
        positions = (self._index.positions[each] for each in case.history[-HISTORY:])
        history = "\n".join(self._titles[position] for position in positions)
        if self._judge:
            return self._ask(case, history, limit, self._judge)
        nearest = self._vectors.answer(case, limit)
        prompt, _ = self._estimate(_question(history, (), limit))
        # The length of the reply depends on the number of picks, not on the list.
        picks = [Choice(number, "", number) for number in range(1, limit + 1)]
        _, completion = self._estimate(_question(history, picks, limit))
        return RankedList(nearest.items, estimated_usage(1, prompt + self.listed, completion))

    def _estimate(self, question: Question) -> tuple[int, int]:
        return self._writer.estimate(self._writer.request(question))

    def _ask(self, case: EvaluationCase, history: str, limit: int, judge: Judge) -> RankedList:
        items = enumerate(self._index.items)
        unseen = [position for position, item in items if item.id not in case.seen]
        choices = [
            Choice(number, self._titles[position], self._numbers[position])
            for number, position in enumerate(unseen, start=1)
        ]
        verdict = judge.choose(_question(history, choices, limit))
        ids = [self._index.items[unseen[number - 1]].id for number, _ in verdict.scores[:limit]]
        if verdict.fallback and not ids:
            # The embedded judge cannot replace the reply without a vector of the person.
            return RankedList((), verdict.usage, unusable=1)
        return RankedList(tuple(ids), verdict.usage, fallbacks=int(bool(verdict.fallback)))


def _question(history: str, choices: Sequence[Choice], limit: int) -> Question:
    profile = Profile((Interest(history, 1.0),))
    return Question("pick", Stage.RECALL, profile, tuple(choices), limit)
