"""A judge that reads the lines it is shown, and nothing else: how far do descriptions lead?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from unillmrec.judge.questions import HistoryQuestion, Interest, Interests, Question, Verdict
from unillmrec.store import ItemTree

if TYPE_CHECKING:
    from unillmrec.tree.vectors import Vector

_COUNT = re.compile(r"\(\d[\d,]*\)")


class DescriptionJudge:
    """Scores a choice by the words that its line shares with what the person wants.

    Where the embedded similarity judge sees through a branch to its items, this one knows
    what a language model would be told, and takes it literally: it measures descriptions.
    """

    name = "description judge (the words of the lines, no language model)"
    at_once = 1
    works_without_vector = True
    asks_by_letters = False

    def __init__(self, tree: ItemTree) -> None:
        self._tree = tree
        self._vectors: dict[str, Vector] = {}

    def interests(self, question: HistoryQuestion) -> Interests:
        """Name the lines of the history as one interest."""
        return Interests((Interest("; ".join(question.lines), 1.0),))

    def choose(self, question: Question) -> Verdict:
        """Score the choices; those with equal scores keep their order."""
        from unillmrec.tree.vectors import similarities

        profile = question.profile
        # A taste among weighted terms says in full what a title says in part.
        placed = profile.taste if self._tree.sparse else None
        wanted = placed if placed is not None else self._vector(profile.text())
        lines = [self._vector(_COUNT.sub(" ", choice.line)) for choice in question.choices]
        near = similarities(wanted, lines)
        scores = [
            (choice.number, max(0.0, 100 * float(score)))
            for choice, score in zip(question.choices, near, strict=True)
        ]
        return Verdict(tuple(sorted(scores, key=lambda pair: -pair[1])))

    def _vector(self, text: str) -> Vector:
        if text not in self._vectors:
            self._vectors[text] = self._tree.vector_of_text(text) or self._of_words(text)
        return self._vectors[text]

    def _of_words(self, text: str) -> Vector:
        """Return the vector of a text where the tree's own vectors are not of words."""
        from unillmrec.tree.query_words import sentence_words
        from unillmrec.tree.terms import terms_of, vector_of

        used = terms_of(iter([(sentence_words(text), 1.0)]), with_pieces=False)
        return vector_of(used, self._tree.known_terms(used))

    def windows(self, question: Question) -> Sequence[Question]:
        """Return the question whole."""
        return (question,)
