"""This package's own chain as a system under test."""

from __future__ import annotations

from unillmrec.errors import UnillmrecError
from unillmrec.evaluation.exam import Case, Exam
from unillmrec.evaluation.systems import Answer
from unillmrec.judge import Exchange
from unillmrec.judge.questions import keep_exchanges
from unillmrec.recommendation import Recommendation
from unillmrec.recommender import Recommender
from unillmrec.stages import Options
from unillmrec.usage import Usage

# Counting prompts takes longer than walking with the embedded judge does, and a mean over so
# many people is known to a few hundredths.
PRICED = 100


class Chain:
    """Walks the tree for each person, as `unillmrec recommend` does.

    Where no model is asked, *pricing* is a recommender that counts what asking one would cost;
    it does so for the first hundred people. *remark* is what else is to be said of its figures.
    """

    def __init__(
        self,
        recommender: Recommender,
        options: Options | None = None,
        name: str = "unillmrec",
        *,
        pricing: Recommender | None = None,
        remark: str = "",
    ) -> None:
        self.name = name
        self._pricing = pricing
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
        try:
            made = self._recommender.recommend(
                case.history,
                exclude=case.disliked,
                limit=limit,
                options=self._options,
                on_call=lambda _, exchange: paid.append(exchange),
            )
        except UnillmrecError as error:
            # It came with those of the question alone that could not be answered.
            keep_exchanges(error, paid)
            raise
        items = tuple(each.item.id for each in made.items)
        return Answer(
            items,
            self._priced(case, made, limit),
            made.candidates,
            made.partial,
            fallbacks=made.dropped.fallbacks,
        )

    def _priced(self, case: Case, made: Recommendation, limit: int) -> Usage | None:
        if self._pricing is None:
            return made.total_usage()
        if case.number >= PRICED:
            return None
        priced = self._pricing.recommend(
            case.history, exclude=case.disliked, limit=limit, options=self._options
        )
        return priced.total_usage()
