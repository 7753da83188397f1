"""A judge that compares only words, to measure how well descriptions lead to items."""

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
    """Scores a choice by the words that its line shares with the profile.

    The embedded similarity judge compares the items below a branch. This judge sees only the
    line that a language model would read, so its accuracy measures the descriptions.
    """

    name = "description judge (the words of the lines, no language model)"
    at_once = 1
    works_without_vector = True
    asks_by_letters = False

    def __init__(self, tree: ItemTree) -> None:
        self._tree = tree
        self._vectors: dict[str, Vector] = {}

    def interests(self, question: HistoryQuestion) -> Interests:
        """Return the lines of the history as one interest."""
        return Interests((Interest("; ".join(question.lines), 1.0),))

    def choose(self, question: Question) -> Verdict:
        """Score the choices; equal scores keep the order of the list."""
        from unillmrec.tree.vectors import similarities

        profile = question.profile
        # In a tree of term vectors the profile's vector knows more words than its text shows.
        known = profile.vector if self._tree.sparse else None
        wanted = known if known is not None else self._vector(profile.text())
        lines = [self._vector(_COUNT.sub(" ", choice.line)) for choice in question.choices]
        near = similarities(wanted, lines)
        scores = [
            (choice.number, max(0.0, 100 * float(score)))
            for choice, score in zip(question.choices, near, strict=True)
        ]
        return Verdict(tuple(sorted(scores, key=lambda pair: -pair[1])))

    def _vector(self, text: str) -> Vector:
        if text not in self._vectors:
            self._vectors[text] = self._tree.vector_of_text(text) or self._term_vector(text)
        return self._vectors[text]

    def _term_vector(self, text: str) -> Vector:
        """Return a vector of the words in *text*, for trees whose own vectors are embeddings."""
        from unillmrec.tree.sentences.query_words import content_words
        from unillmrec.tree.terms import count_terms, term_vector

        terms = count_terms(iter([(content_words(text), 1.0)]), with_ngrams=False)
        return term_vector(terms, self._tree.known_terms(terms))

    def windows(self, question: Question) -> Sequence[Question]:
        """Return the question in one piece."""
        return (question,)
