"""Baselines that ask a model, or count what asking it would cost: one list, and a shortlist."""

from __future__ import annotations

from collections.abc import Sequence

from unillmrec.evaluation.data.exam import Case, Exam
from unillmrec.evaluation.systems.chain import Chain
from unillmrec.evaluation.systems.content import FlatVectors
from unillmrec.evaluation.systems.contract import Answer
from unillmrec.items import Item, one_line
from unillmrec.judge import Choice, Interest, Judge, Profile, Question
from unillmrec.judge.prompting.prompt_writer import PromptWriter
from unillmrec.recommending.recommender import Recommender
from unillmrec.stages import Options
from unillmrec.store import ItemTree
from unillmrec.usage import Stage, Usage

# How many of the nearest items a shortlist has; as many as the walk shows of its leaves.
SHORTLIST = 72
# As many titles of a history as the listing and the scheme of the paper tell.
HISTORY = 50
TITLE_LENGTH = 160
# No list longer than this is sent to anybody, whatever the model could read.
FLAT_CEILING = 100_000
UNBOUNDED = 1 << 40
VECTORS_ANSWER = "the tree's vectors answer, prompts are counted and not sent"


def estimated(calls: int, prompt: int, completion: int) -> Usage:
    """Return the usage of calls that were not made: what a server would say is unknown."""
    return Usage(calls, None, None, None, None, prompt, completion)


def title_of(item: Item) -> str:
    """Return a title as one line."""
    return one_line(item.title, TITLE_LENGTH) or one_line(item.id, TITLE_LENGTH)


def retrieve_and_rank(tree: ItemTree, judge: Judge, counting: Judge | None = None) -> Chain:
    """Return the system that lets the judge order the nearest items: the chain without a walk.

    *counting* is as for the chain.
    """
    options = Options(walk="retrieve", candidates=SHORTLIST, reorder="none")
    counted = Recommender(tree, counting) if counting else None
    remark = VECTORS_ANSWER if counting else ""
    name = "retrieve and rank"
    return Chain(Recommender(tree, judge), options, name, counting=counted, remark=remark)


class FlatListing:
    """Lists the titles of the whole catalog in one prompt, after those of the history.

    A *judge* is asked where the list is short enough to be sent. Otherwise the tree's vectors
    answer in its place, and the prompt is counted.
    """

    name = "flat listing"
    zero_shot = True

    def __init__(self, tree: ItemTree, writer: PromptWriter, judge: Judge | None = None) -> None:
        self._tree = tree
        self._near = FlatVectors(tree)
        self._writer = PromptWriter(writer.prompts, writer.counter, UNBOUNDED)
        self._judge = judge

    @property
    def note(self) -> str:
        """Who answered."""
        if self._judge:
            return self._judge.name
        return f"one prompt with all titles; {VECTORS_ANSWER}"

    def learn(self, exam: Exam) -> None:
        """Count the list once; only the history differs from person to person."""
        self._shelf = exam.shelf
        self._near.learn(exam)
        self._titles = [title_of(item) for item in exam.shelf.items]
        count = self._writer.counter.count
        lengths = (count(f"{n}. {title}\n") for n, title in enumerate(self._titles, 1))
        self.listed = sum(lengths)
        if self.listed > FLAT_CEILING:
            self._judge = None
        self._numbers: list[int] = []
        if self._judge:
            placed = self._tree.items_by_id([item.id for item in exam.shelf.items])
            self._numbers = [placed[item.id].number for item in exam.shelf.items]

    def answer(self, case: Case, limit: int) -> Answer:
        """Return what the judge picks, or what is nearest."""
        met = "\n".join(self._titles[self._shelf.places[each]] for each in case.history[-HISTORY:])
        if self._judge:
            return self._asked(case, met, limit, self._judge)
        near = self._near.answer(case, limit)
        request = self._writer.request(self._question(met, (), limit))
        prompt, _ = self._writer.estimate(request)
        _, completion = self._writer.estimate(
            self._writer.request(self._question(met, _ten(limit), limit))
        )
        return Answer(near.items, estimated(1, prompt + self.listed, completion))

    def _question(self, met: str, choices: Sequence[Choice], limit: int) -> Question:
        profile = Profile((Interest(met, 1.0),))
        return Question("pick", Stage.RECALL, profile, tuple(choices), limit)

    def _asked(self, case: Case, met: str, limit: int, judge: Judge) -> Answer:
        unseen = [place for place, item in enumerate(self._shelf.items) if item.id not in case.seen]
        choices = [
            Choice(number, self._titles[place], self._numbers[place])
            for number, place in enumerate(unseen, start=1)
        ]
        verdict = judge.choose(self._question(met, choices, limit))
        ids = [self._shelf.items[unseen[number - 1]].id for number, _ in verdict.scores[:limit]]
        if verdict.fallback and not ids:
            # Without a taste the embedded judge has nothing to go by.
            return Answer((), verdict.usage, unusable=1)
        return Answer(tuple(ids), verdict.usage, fallbacks=int(bool(verdict.fallback)))


def _ten(limit: int) -> list[Choice]:
    """Return as many choices as are picked: what is written back does not depend on the rest."""
    return [Choice(number, "", number) for number in range(1, limit + 1)]
