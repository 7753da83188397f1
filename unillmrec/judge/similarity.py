"""The embedded similarity judge: answers from vectors, with no model at all."""

from __future__ import annotations

from collections.abc import Sequence

from unillmrec.judge.questions import (
    HistoryQuestion,
    Interest,
    Interests,
    Question,
    Verdict,
)
from unillmrec.store import ItemTree

# What the most popular item gains over one nobody met, as a cosine.
POPULARITY_WEIGHT = 0.1
WORDS_TOLD = 8


class SimilarityJudge:
    """Scores a choice by the cosine between the person's taste and the choice's vector."""

    name = "embedded similarity judge (no language model)"
    at_once = 1
    works_without_vector = False
    asks_by_letters = False

    def __init__(self, tree: ItemTree) -> None:
        self._tree = tree

    def interests(self, question: HistoryQuestion) -> Interests:
        """Name the words that weigh most in the history as one interest."""
        told = ", ".join(question.words[:WORDS_TOLD]) or "the items of the history"
        return Interests((Interest(told, 1.0),))

    def choose(self, question: Question) -> Verdict:
        """Score the choices; those of which nothing is known are left out."""
        closeness = self._closeness(question)
        scores = [
            (choice.number, max(0.0, min(100.0, 100 * (near + _gain(choice.prior)))))
            for choice, near in zip(question.choices, closeness, strict=True)
            if question.profile.taste is not None or choice.prior is not None
        ]
        return Verdict(tuple(sorted(scores, key=lambda pair: -pair[1])))

    def _closeness(self, question: Question) -> list[float]:
        taste = question.profile.taste
        if taste is None:
            return [0.0] * len(question.choices)
        keys = [choice.key for choice in question.choices]
        tree = self._tree
        likeness = tree.node_likeness if question.about_nodes else tree.item_likeness
        return [float(near) for near in likeness(taste, keys)]

    def windows(self, question: Question) -> Sequence[Question]:
        """Return the question whole: vectors have no context window."""
        return (question,)


def _gain(prior: float | None) -> float:
    return POPULARITY_WEIGHT * prior if prior is not None else 0.0
