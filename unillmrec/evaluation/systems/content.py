"""Baselines without a model: random, most popular, and by the words or vectors of items."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unillmrec.errors import EvaluationError, MissingExtraError
from unillmrec.evaluation.data.cases import EvaluationCase, EvaluationData, ItemIndex
from unillmrec.evaluation.systems.contract import RankedList, ScoreRanker, Scores
from unillmrec.items import Item
from unillmrec.store import ItemTree

# How many of the last items of a history count, and the weight of an item relative to the next.
RECENT = 10
DECAY = 0.7
# BM25 searches for the words of fewer items: a longer query adds more noise.
QUERY_ITEMS = 5
_WORD = re.compile(r"\w+")
# Replaces a text without words, such as emoji only, so that the vocabulary is never empty.
_WORDLESS = "_"

Fields = Literal["title", "all"]


def item_text(item: Item, fields: Fields = "all") -> str:
    """Return the title, or the title with categories, tags and text."""
    if fields == "title":
        return item.title
    values = [", ".join(v) if isinstance(v, tuple) else v for v in item.attributes.values()]
    tags = [each for each in values if isinstance(each, str) and "://" not in each]
    return " ".join([item.title, *item.path, *tags, item.text])


def text_rows(index: ItemIndex, fields: Fields = "all") -> Any:
    """Return the TF-IDF vectors of the items as sparse rows of length one."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    # The default pattern of scikit-learn drops words of a single letter.
    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, token_pattern=_WORD.pattern)
    texts = (item_text(item, fields) for item in index.items)
    return vectorizer.fit_transform([text if _WORD.search(text) else _WORDLESS for text in texts])


def recency(count: int, recent: int = RECENT, decay: float = DECAY) -> NDArray[np.float64]:
    """Return weights for the last items of a history, oldest first; the newest weighs most."""
    weights: NDArray[np.float64] = decay ** np.arange(min(count, recent), dtype=float)[::-1]
    return weights


class RandomBaseline:
    """Recommends items at random."""

    name = "random"
    zero_shot = True
    note = ""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def learn(self, data: EvaluationData) -> None:
        """Store the number of items."""
        self._ranker = ScoreRanker(data, self._seed)
        self._size = len(data.index)

    def answer(self, case: EvaluationCase, limit: int) -> RankedList:
        """Return a random sample, reproducible by seed and case."""
        scores = np.random.default_rng((self._seed, case.number)).random(self._size)
        return RankedList(self._ranker.best(scores, case.seen, limit))


class MostPopular:
    """Recommends the items with the most interactions."""

    name = "most popular"
    zero_shot = False
    note = "counts other people's interactions"

    def learn(self, data: EvaluationData) -> None:
        """Count the interactions of each item."""
        self._ranker = ScoreRanker(data)
        self._counts = data.training.counts

    def answer(self, case: EvaluationCase, limit: int) -> RankedList:
        """Return the most popular items the person has not seen."""
        return RankedList(self._ranker.best(self._counts, case.seen, limit))


class TfIdf:
    """Recommends items with words like those of the last items; newer items weigh more."""

    name = "TF-IDF"
    zero_shot = True

    def __init__(self, fields: Fields = "all", recent: int = RECENT, decay: float = DECAY) -> None:
        self.note = f"{fields}, last {recent}, each {decay:g} of the next"
        self._fields: Fields = fields
        self._recent, self._decay = recent, decay

    def learn(self, data: EvaluationData) -> None:
        """Compute the TF-IDF vectors of the catalog."""
        self._ranker = ScoreRanker(data)
        self._rows = text_rows(data.index, self._fields)
        self._columns = self._rows.T.tocsr()

    def answer(self, case: EvaluationCase, limit: int) -> RankedList:
        """Return the items most similar to the recent history."""
        return RankedList(self._ranker.best(self.scores(case.history), case.seen, limit))

    def scores(self, history: Sequence[str]) -> Scores:
        """Return the similarity of each item to a history."""
        from scipy.sparse import csr_matrix

        positions = self._ranker.positions(history[-self._recent :])
        weights = recency(len(positions), self._recent, self._decay)
        taste = csr_matrix(weights.astype(np.float32)) @ self._rows[positions]
        scores: Scores = (taste @ self._columns).toarray().ravel()
        return scores


class Bm25:
    """Searches the catalog for the words of the last items."""

    name = "BM25"
    zero_shot = True

    def __init__(self, recent: int = QUERY_ITEMS, fields: Fields = "all") -> None:
        self.note = f"{fields}, words of the last {recent}"
        self._recent, self._fields = recent, fields

    def learn(self, data: EvaluationData) -> None:
        """Index the catalog.

        Raises:
            MissingExtraError: bm25s is not installed.
        """
        try:
            import bm25s
        except ImportError as error:
            raise MissingExtraError("the BM25 baseline", "bm25s", "eval") from error
        self._ranker = ScoreRanker(data)
        texts = [item_text(item, self._fields) for item in data.index.items]
        tokens = bm25s.tokenize(texts, stopwords="en", show_progress=False, return_ids=False)
        self._words = [each or ["-"] for each in tokens]
        self._bm25 = bm25s.BM25()
        self._bm25.index(self._words, show_progress=False)

    def answer(self, case: EvaluationCase, limit: int) -> RankedList:
        """Return the best matches of the query."""
        positions = self._ranker.positions(case.history[-self._recent :])
        query = [word for position in positions for word in self._words[position]]
        return RankedList(self._ranker.best(self._bm25.get_scores(query), case.seen, limit))


class FlatVectors:
    """Compares all vectors of a tree without a walk, which shows what the walk misses."""

    name = "vectors, no tree"
    zero_shot = True
    note = "the tree's own vectors, all of them compared"

    def __init__(self, tree: ItemTree) -> None:
        self._tree = tree

    def learn(self, data: EvaluationData) -> None:
        """Read all vectors.

        Raises:
            EvaluationError: an item was deleted since the evaluation began.
        """
        self._ranker = ScoreRanker(data)
        placed = self._tree.items_by_id([item.id for item in data.index.items])
        if len(placed) < len(data.index):
            raise EvaluationError(
                f"{self._tree.path} contains fewer items than when the evaluation began.",
                detail="It was changed in the meantime.",
                remedy="the same command again.",
            )
        numbers = [placed[item.id].number for item in data.index.items]
        self.rows = unit_rows(self._tree.item_matrix(numbers))

    def answer(self, case: EvaluationCase, limit: int) -> RankedList:
        """Return the nearest items."""
        return RankedList(self._ranker.best(self.scores(case.history), case.seen, limit))

    def scores(self, history: Sequence[str]) -> Scores:
        """Return the cosine of each item with the recent history."""
        positions = self._ranker.positions(history[-RECENT:])
        weights = recency(len(positions)).astype(np.float32)
        taste = self.rows[positions].T @ weights
        scores: Scores = np.asarray(self.rows @ taste).ravel()
        return scores / (np.linalg.norm(taste) or 1.0)


def unit_rows(rows: Any) -> Any:
    """Return the rows scaled to length one; rows of zeros stay as they are."""
    if isinstance(rows, np.ndarray):
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.where(length > 0, length, 1)
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    rows = rows.copy()
    rows.data /= np.repeat(np.where(length > 0, length, 1), np.diff(rows.indptr))
    return rows
