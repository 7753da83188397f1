"""Baselines that need no model: by lot, by what is popular, by the words of the history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unillmrec.errors import EvaluationError, MissingExtraError
from unillmrec.evaluation.data.exam import Case, Exam, ItemIndex
from unillmrec.evaluation.systems.contract import Answer, Ordering, Scores
from unillmrec.items import Item
from unillmrec.store import ItemTree

# The last items of a history, each weighing less than the next newer one.
RECENT = 10
DECAY = 0.7
# Words of the history for BM25: the query grows with every item, and so does its noise.
QUERY_ITEMS = 5
_WORD = re.compile(r"\w+")
# Stands for a text without a word, such as one of emoji: a catalog may hold nothing else.
_WORDLESS = "_"

Fields = Literal["title", "all"]


def item_text(item: Item, fields: Fields = "all") -> str:
    """Return what is compared: the title, or the title with categories, tags and text."""
    if fields == "title":
        return item.title
    told = [", ".join(v) if isinstance(v, tuple) else v for v in item.attributes.values()]
    tags = [each for each in told if isinstance(each, str) and "://" not in each]
    return " ".join([item.title, *item.path, *tags, item.text])


def text_rows(shelf: ItemIndex, fields: Fields = "all") -> Any:
    """Return the words of each item as a sparse row of length one."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    # One pattern for all scripts; a catalog of nothing but single letters has words too.
    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, token_pattern=_WORD.pattern)
    texts = (item_text(item, fields) for item in shelf.items)
    return vectorizer.fit_transform([text if _WORD.search(text) else _WORDLESS for text in texts])


def recency(count: int, recent: int = RECENT, decay: float = DECAY) -> NDArray[np.float64]:
    """Return the weights of the last items of a history, the newest last and heaviest."""
    weights: NDArray[np.float64] = decay ** np.arange(min(count, recent), dtype=float)[::-1]
    return weights


class RandomBaseline:
    """Draws items by lot."""

    name = "random"
    zero_shot = True
    note = ""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def learn(self, exam: Exam) -> None:
        """Take in how many items there are."""
        self._ordering = Ordering(exam, self._seed)
        self._size = len(exam.shelf)

    def answer(self, case: Case, limit: int) -> Answer:
        """Draw for one person."""
        drawn = np.random.default_rng((self._seed, case.number)).random(self._size)
        return Answer(self._ordering.best(drawn, case.seen, limit))


class MostPopular:
    """Recommends what most people met."""

    name = "most popular"
    zero_shot = False
    note = "counts other people's interactions"

    def learn(self, exam: Exam) -> None:
        """Count."""
        self._ordering = Ordering(exam)
        self._counts = exam.known.counts

    def answer(self, case: Case, limit: int) -> Answer:
        """Return the most popular items that are new to the person."""
        return Answer(self._ordering.best(self._counts, case.seen, limit))


class TfIdf:
    """Compares words with those of the last items, the newest weighted most."""

    name = "TF-IDF"
    zero_shot = True

    def __init__(self, fields: Fields = "all", recent: int = RECENT, decay: float = DECAY) -> None:
        self.note = f"{fields}, last {recent}, each {decay:g} of the next"
        self._fields: Fields = fields
        self._recent, self._decay = recent, decay

    def learn(self, exam: Exam) -> None:
        """Weigh the words of the catalog."""
        self._ordering = Ordering(exam)
        self._rows = text_rows(exam.shelf, self._fields)
        self._columns = self._rows.T.tocsr()

    def answer(self, case: Case, limit: int) -> Answer:
        """Return the items whose words are most like the recent history's."""
        near = self.scores(case.history)
        return Answer(self._ordering.best(near, case.seen, limit))

    def scores(self, history: Sequence[str]) -> Scores:
        """Return how like each item is to a history."""
        places = self._ordering.places(history[-self._recent :])
        weights = recency(len(places), self._recent, self._decay)
        taste = _weighted(self._rows[places], weights)
        scores: Scores = (taste @ self._columns).toarray().ravel()
        return scores


def _weighted(rows: Any, weights: NDArray[np.float64]) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix(weights.astype(np.float32)) @ rows


class Bm25:
    """Searches the catalog for the words of the last items."""

    name = "BM25"
    zero_shot = True

    def __init__(self, recent: int = QUERY_ITEMS, fields: Fields = "all") -> None:
        self.note = f"{fields}, words of the last {recent}"
        self._recent, self._fields = recent, fields

    def learn(self, exam: Exam) -> None:
        """Index the catalog.

        Raises:
            MissingExtraError: bm25s is not installed.
        """
        try:
            import bm25s
        except ImportError as error:
            raise MissingExtraError("the BM25 baseline", "bm25s", "eval") from error
        self._ordering = Ordering(exam)
        texts = [item_text(item, self._fields) for item in exam.shelf.items]
        tokens = bm25s.tokenize(texts, stopwords="en", show_progress=False, return_ids=False)
        self._words = [each or ["-"] for each in tokens]
        self._index = bm25s.BM25()
        self._index.index(self._words, show_progress=False)

    def answer(self, case: Case, limit: int) -> Answer:
        """Return what is found."""
        places = self._ordering.places(case.history[-self._recent :])
        query = [word for place in places for word in self._words[place]]
        return Answer(self._ordering.best(self._index.get_scores(query), case.seen, limit))


class FlatVectors:
    """Compares the vectors of a tree without walking it: what the walk itself loses shows here."""

    name = "vectors, no tree"
    zero_shot = True
    note = "the tree's own vectors, all of them compared"

    def __init__(self, tree: ItemTree) -> None:
        self._tree = tree

    def learn(self, exam: Exam) -> None:
        """Read all vectors.

        Raises:
            EvaluationError: somebody has deleted an item meanwhile.
        """
        self._ordering = Ordering(exam)
        placed = self._tree.items_by_id([item.id for item in exam.shelf.items])
        if len(placed) < len(exam.shelf):
            raise EvaluationError(
                f"{self._tree.path} holds less than when the evaluation began.",
                detail="Somebody has changed it meanwhile.",
                remedy="the same command again.",
            )
        numbers = [placed[item.id].number for item in exam.shelf.items]
        self.rows = unit_rows(self._tree.item_matrix(numbers))

    def answer(self, case: Case, limit: int) -> Answer:
        """Return the nearest items."""
        return Answer(self._ordering.best(self.scores(case.history), case.seen, limit))

    def scores(self, history: Sequence[str]) -> Scores:
        """Return the cosine of each item with the recent history."""
        places = self._ordering.places(history[-RECENT:])
        weights = recency(len(places)).astype(np.float32)
        taste = self.rows[places].T @ weights
        scores: Scores = np.asarray(self.rows @ taste).ravel()
        return scores / (np.linalg.norm(taste) or 1.0)


def unit_rows(rows: Any) -> Any:
    """Return rows of length one; those without weight stay as they are."""
    if isinstance(rows, np.ndarray):
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.where(length > 0, length, 1)
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    rows = rows.copy()
    rows.data /= np.repeat(np.where(length > 0, length, 1), np.diff(rows.indptr))
    return rows
