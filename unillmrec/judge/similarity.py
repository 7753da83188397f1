"""The embedded similarity judge, which answers from vectors without a language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unillmrec.judge.questions import (
    HistoryQuestion,
    Interest,
    Interests,
    Question,
    Verdict,
)

if TYPE_CHECKING:
    from unillmrec.store import ItemTree

# What the most popular item gains over one that nobody has used, as a cosine.
POPULARITY_WEIGHT = 0.1
PROFILE_WORDS = 8


class SimilarityJudge:
    """Scores a choice by the cosine between the person's vector and the choice's vector."""

    name = "embedded similarity judge (no language model)"
    at_once = 1
    works_without_vector = False
    asks_by_letters = False

    def __init__(self, tree: ItemTree) -> None:
        self._tree = tree

    def interests(self, question: HistoryQuestion) -> Interests:
        """Return the words with the highest weights in the history as one interest."""
        text = ", ".join(question.words[:PROFILE_WORDS]) or "the items of the history"
        return Interests((Interest(text, 1.0),))

    def choose(self, question: Question) -> Verdict:
        """Score the choices; a choice with neither similarity nor popularity is left out."""
        similarity = self._similarities(question)
        scores = [
            (choice.number, max(0.0, min(100.0, 100 * (near + _popularity_bonus(choice.prior)))))
            for choice, near in zip(question.choices, similarity, strict=True)
            if question.profile.vector is not None or choice.prior is not None
        ]
        return Verdict(tuple(sorted(scores, key=lambda pair: -pair[1])))

    def _similarities(self, question: Question) -> list[float]:
        vector = question.profile.vector
        if vector is None:
            return [0.0] * len(question.choices)
        keys = [choice.key for choice in question.choices]
        tree = self._tree
        similarities = tree.node_similarities if question.about_nodes else tree.item_similarities
        return [float(near) for near in similarities(vector, keys)]

    def windows(self, question: Question) -> Sequence[Question]:
        """Return the question in one piece: vectors have no context window."""
        return (question,)


def _popularity_bonus(prior: float | None) -> float:
    return POPULARITY_WEIGHT * prior if prior is not None else 0.0
