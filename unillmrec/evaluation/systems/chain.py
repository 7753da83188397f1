"""This package's own chain as a system under test."""

from __future__ import annotations

from unillmrec.errors import UnillmrecError
from unillmrec.evaluation.data.exam import Case, Exam
from unillmrec.evaluation.systems.contract import Answer
from unillmrec.judge import Exchange
from unillmrec.recommending.recommender import Recommender
from unillmrec.stages import Options

# Counting prompts takes longer than walking with the embedded judge does, and a mean over so
# many people is known to a few hundredths.
PRICED = 100


class Chain:
    """Walks the tree for each person, as `unillmrec recommend` does.

    With *counting*, a recommender that makes the same lists and bills what asking a model would
    cost, the first hundred people are answered by that one. *remark* is what else is to be said
    of its figures.
    """

    def __init__(
        self,
        recommender: Recommender,
        options: Options | None = None,
        name: str = "unillmrec",
        *,
        counting: Recommender | None = None,
        remark: str = "",
    ) -> None:
        self.name = name
        self._counting = counting
        self.note = "; ".join(filter(None, [recommender.judge.name, remark]))
        # A tree that was told how popular items are has learnt it from somebody's interactions.
        self.zero_shot = not recommender.tree.has_prior
        self._recommender = recommender
        self._options = options or Options()

    def learn(self, exam: Exam) -> None:
        """Take in nothing: the tree is all it needs."""

    def answer(self, case: Case, limit: int) -> Answer:
        """Recommend to one person.

        Raises:
            UnillmrecError: the walk failed; all of its calls are with the error.
        """
        paid: list[Exchange] = []
        counted = self._counting if case.number < PRICED else None
        recommender = counted or self._recommender
        try:
            made = recommender.recommend(
                case.history,
                exclude=case.disliked,
                limit=limit,
                options=self._options,
                on_call=lambda _, exchange: paid.append(exchange),
            )
        except UnillmrecError as error:
            # It came with those of the question alone that could not be answered.
            error.exchanges = tuple(paid)
            raise
        # A bill belongs to the walk that made the list: who was not counted has none.
        unknown = self._counting is not None and counted is None
        return Answer(
            tuple(each.item.id for each in made.items),
            None if unknown else made.total_usage(),
            made.candidates,
            made.partial,
            fallbacks=made.dropped.fallbacks,
        )
