"""Baselines that learn from other people's interactions, by a maintained library."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from unillmrec.errors import MissingExtraError
from unillmrec.evaluation.data.exam import Case, Exam
from unillmrec.evaluation.systems.content import recency
from unillmrec.evaluation.systems.contract import Answer, Ordering

NEIGHBOURS = 200
FACTORS = 64
REGULARIZATION = 0.1
ALPHA = 5.0
ITERATIONS = 15


@cache
def _blas() -> Any:
    """Return what holds the libraries below numpy back; to find them takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def _implicit(feature: str) -> Iterator[None]:
    """Let `implicit` be used: one thread below it, no advice about threads, a clear refusal."""
    with warnings.catch_warnings(), _blas().limit(limits=1, user_api="blas"):
        warnings.simplefilter("ignore")
        try:
            yield
        except ImportError as error:
            raise MissingExtraError(feature, "implicit", "eval") from error


class ItemKnn:
    """Recommends what was met by those who met the last items, the newest weighted most."""

    name = "item-kNN"
    zero_shot = False

    def __init__(self, recent: int = 10, decay: float = 0.7, neighbours: int = NEIGHBOURS) -> None:
        self.note = f"cosine, {neighbours} neighbours, last {recent}, each {decay:g} of the next"
        self._recent, self._decay = recent, decay
        self._neighbours = neighbours

    def learn(self, exam: Exam) -> None:
        """Find the neighbours of every item.

        Raises:
            MissingExtraError: implicit is not installed.
        """
        self._ordering = Ordering(exam)
        with _implicit("the item-kNN baseline"):
            from implicit.nearest_neighbours import CosineRecommender

            model = CosineRecommender(K=self._neighbours, num_threads=1)
            model.fit(exam.known.matrix(), show_progress=False)
        self._near = model.similarity.tocsr()

    def answer(self, case: Case, limit: int) -> Answer:
        """Return the items with the most, and the nearest, neighbours in the history."""
        from scipy.sparse import csr_matrix

        places = self._ordering.places(case.history[-self._recent :])
        weights = recency(len(places), self._recent, self._decay)
        shape = (1, self._near.shape[0])
        met = csr_matrix((weights, (np.zeros(len(places), int), places)), shape)
        scores = (met @ self._near).toarray().ravel()
        return Answer(self._ordering.best(scores, case.seen, limit))


class Als:
    """Factorises who met what by alternating least squares; a person is folded in anew."""

    name = "ALS"
    zero_shot = False

    def __init__(
        self, factors: int = FACTORS, alpha: float = ALPHA, iterations: int = ITERATIONS
    ) -> None:
        self.note = f"{factors} factors, alpha {alpha:g}, {iterations} rounds"
        self._factors, self._alpha, self._iterations = factors, alpha, iterations

    def learn(self, exam: Exam) -> None:
        """Find the factors.

        Raises:
            MissingExtraError: implicit is not installed.
        """
        self._ordering = Ordering(exam)
        self._shape = (1, len(exam.shelf))
        with _implicit("the ALS baseline"):
            from implicit.als import AlternatingLeastSquares

            self._model: Any = AlternatingLeastSquares(
                factors=self._factors,
                regularization=REGULARIZATION,
                alpha=self._alpha,
                iterations=self._iterations,
                num_threads=1,
                random_state=42,
            )
            self._model.fit(exam.known.matrix(), show_progress=False)

    def answer(self, case: Case, limit: int) -> Answer:
        """Return the items whose factors fit the history."""
        from scipy.sparse import csr_matrix

        places = self._ordering.places(case.history)
        ones = np.ones(len(places), np.float32)
        met = csr_matrix((ones, (np.zeros(len(places), int), places)), self._shape)
        with _implicit("the ALS baseline"):
            factors = self._model.recalculate_user(0, met)
        scores = self._model.item_factors @ np.asarray(factors).ravel()
        return Answer(self._ordering.best(scores, case.seen, limit))
