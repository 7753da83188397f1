"""This package as a system under evaluation."""

from __future__ import annotations

from unillmrec.errors import UnillmrecError
from unillmrec.evaluation.data.cases import EvaluationCase, EvaluationData
from unillmrec.evaluation.systems.contract import RankedList
from unillmrec.judge import Exchange
from unillmrec.recommending.recommender import Recommender
from unillmrec.stages import Options

# Counting prompts takes longer than a walk with the embedded judge; the mean over this many
# people is accurate to a few percent.
COUNTED_PEOPLE = 100


class UnillmrecSystem:
    """Walks the tree for each person, as `unillmrec recommend` does.

    *estimating* is a recommender that makes the same lists and bills what a model would cost; it
    answers for the first hundred people. *remark* is added to the note.
    """

    def __init__(
        self,
        recommender: Recommender,
        options: Options | None = None,
        name: str = "unillmrec",
        *,
        estimating: Recommender | None = None,
        remark: str = "",
    ) -> None:
        self.name = name
        self._estimating = estimating
        self.note = "; ".join(filter(None, [recommender.judge.name, remark]))
        # The popularity of items in a tree comes from other people's interactions.
        self.zero_shot = not recommender.tree.has_prior
        self._recommender = recommender
        self._options = options or Options()

    def learn(self, data: EvaluationData) -> None:
        """Do nothing: the tree is all it needs."""

    def answer(self, case: EvaluationCase, limit: int) -> RankedList:
        """Recommend to one person.

        Raises:
            UnillmrecError: the walk failed; `exchanges` of the error has all of its calls.
        """
        exchanges: list[Exchange] = []
        estimating = self._estimating if case.number < COUNTED_PEOPLE else None
        recommender = estimating or self._recommender
        try:
            recommendation = recommender.recommend(
                case.history,
                exclude=case.disliked,
                limit=limit,
                options=self._options,
                on_call=lambda _, exchange: exchanges.append(exchange),
            )
        except UnillmrecError as error:
            # The error has only the calls of the failed question.
            error.exchanges = tuple(exchanges)
            raise
        not_counted = self._estimating is not None and estimating is None
        return RankedList(
            tuple(each.item.id for each in recommendation.items),
            None if not_counted else recommendation.total_usage(),
            recommendation.candidates,
            recommendation.partial,
            fallbacks=recommendation.dropped.fallbacks,
        )
