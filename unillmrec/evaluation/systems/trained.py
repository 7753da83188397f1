"""Baselines that learn from other people's interactions, with the library `implicit`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from unillmrec.errors import MissingExtraError
from unillmrec.evaluation.data.cases import EvaluationCase, EvaluationData
from unillmrec.evaluation.systems.content import recency
from unillmrec.evaluation.systems.contract import RankedList, ScoreRanker

NEIGHBOURS = 200
FACTORS = 64
REGULARIZATION = 0.1
ALPHA = 5.0
ITERATIONS = 15


@cache
def _blas() -> Any:
    """Return the controller of the BLAS threads; creating one takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def _implicit(feature: str) -> Iterator[None]:
    """Use `implicit` with one BLAS thread and without its warnings.

    Raises:
        MissingExtraError: implicit is not installed.
    """
    with warnings.catch_warnings(), _blas().limit(limits=1, user_api="blas"):
        warnings.simplefilter("ignore")
        try:
            yield
        except ImportError as error:
            raise MissingExtraError(feature, "implicit", "eval") from error


class ItemKnn:
    """Recommends the nearest neighbours of the last items; newer items weigh more."""

    name = "item-kNN"
    zero_shot = False

    def __init__(self, recent: int = 10, decay: float = 0.7, neighbours: int = NEIGHBOURS) -> None:
        self.note = f"cosine, {neighbours} neighbours, last {recent}, each {decay:g} of the next"
        self._recent, self._decay = recent, decay
        self._neighbours = neighbours

    def learn(self, data: EvaluationData) -> None:
        """Find the neighbours of every item.

        Raises:
            MissingExtraError: implicit is not installed.
        """
        self._ranker = ScoreRanker(data)
        with _implicit("the item-kNN baseline"):
            from implicit.nearest_neighbours import CosineRecommender

            model = CosineRecommender(K=self._neighbours, num_threads=1)
            model.fit(data.training.matrix(), show_progress=False)
        self._similarity = model.similarity.tocsr()

    def answer(self, case: EvaluationCase, limit: int) -> RankedList:
        """Return the items with the highest total similarity to the history."""
        from scipy.sparse import csr_matrix

        positions = self._ranker.positions(case.history[-self._recent :])
        weights = recency(len(positions), self._recent, self._decay)
        shape = (1, self._similarity.shape[0])
        history = csr_matrix((weights, (np.zeros(len(positions), int), positions)), shape)
        scores = (history @ self._similarity).toarray().ravel()
        return RankedList(self._ranker.best(scores, case.seen, limit))


class Als:
    """Factorises the interactions by alternating least squares; people are folded in."""

    name = "ALS"
    zero_shot = False

    def __init__(
        self, factors: int = FACTORS, alpha: float = ALPHA, iterations: int = ITERATIONS
    ) -> None:
        self.note = f"{factors} factors, alpha {alpha:g}, {iterations} rounds"
        self._factors, self._alpha, self._iterations = factors, alpha, iterations

    def learn(self, data: EvaluationData) -> None:
        """Compute the factors.

        Raises:
            MissingExtraError: implicit is not installed.
        """
        self._ranker = ScoreRanker(data)
        self._shape = (1, len(data.index))
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
            self._model.fit(data.training.matrix(), show_progress=False)

    def answer(self, case: EvaluationCase, limit: int) -> RankedList:
        """Return the items whose factors fit the history best."""
        from scipy.sparse import csr_matrix

        positions = self._ranker.positions(case.history)
        ones = np.ones(len(positions), np.float32)
        history = csr_matrix((ones, (np.zeros(len(positions), int), positions)), self._shape)
        with _implicit("the ALS baseline"):
            factors = self._model.recalculate_user(0, history)
        scores = self._model.item_factors @ np.asarray(factors).ravel()
        return RankedList(self._ranker.best(scores, case.seen, limit))
