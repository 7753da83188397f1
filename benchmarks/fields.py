"""Which fields should an item's vector be made of, and with which weights?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import SEED, WITH_PEOPLE, DataSet
from benchmarks.intervals import mean
from benchmarks.people import not_examined
from benchmarks.results import save
from unillmrec.tree.terms import FieldWeights, TermCounter

QUESTION = __doc__
PEOPLE = 1_000
CHOICES: dict[str, tuple[FieldWeights, bool]] = {
    "title": (FieldWeights(1, 0, 0, 0), False),
    "title, pieces of words": (FieldWeights(1, 0, 0, 0), True),
    "title + attributes": (FieldWeights(1, 1, 1, 0), False),
    "title + text": (FieldWeights(1, 0, 0, 1), False),
    "title + attributes + text": (FieldWeights(1, 1, 1, 1), False),
    "title + attributes + text/2": (FieldWeights(1, 1, 1, 0.5), False),
    "title + attributes/2 + text/2": (FieldWeights(1, 0.5, 0.5, 0.5), False),
    "2 title + attributes + text": (FieldWeights(2, 1, 1, 1), False),
    "everything, pieces of words": (FieldWeights(1, 1, 1, 1), True),
}


def run(data: Path) -> None:
    """Measure recall at 10 and 50 of the held-out item for each choice of fields."""
    rows: list[dict[str, Any]] = []
    for name in (*WITH_PEOPLE, "mind-sample"):
        found = not_examined(data, name, PEOPLE)
        for label, (weights, with_ngrams) in CHOICES.items():
            counter = TermCounter(weights, with_ngrams=with_ngrams)
            for item in found.items:
                counter.add(item)
            _, matrix = counter.finish()
            ranks = ranks_of_targets(found, matrix)
            rows.append(
                {
                    "set": name,
                    "fields": label,
                    "people": len(ranks),
                    "recall@10": mean(ranks < 10),
                    "recall@50": mean(ranks < 50),
                    "terms an item": round(matrix.nnz / matrix.shape[0], 1),
                }
            )
            print(rows[-1], flush=True)
    save("fields", QUESTION, rows, seed=SEED, protocol="leave last out, all unseen items")


def ranks_of_targets(
    found: DataSet, matrix: Any, recent: int = 10, decay: float = 0.7
) -> np.ndarray:
    """Return the rank of each person's held-out item among all unseen items, from zero."""
    ranks = []
    for person in found.people:
        history = list(person.history[-recent:])
        weights = np.array([decay**age for age in reversed(range(len(history)))], np.float32)
        taste = np.asarray(matrix[history].T @ weights).ravel()
        scores = matrix @ taste
        scores[list(person.history)] = -1
        target = scores[person.target]
        # Ties are broken at random in effect: half of those with the same score come first.
        ranks.append((scores > target).sum() + ((scores == target).sum() - 1) / 2)
    return np.array(ranks)
