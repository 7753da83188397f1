"""Weights for the terms of a catalog, from the meaning of a sentence.

Every frequent term is weighted by its similarity to the sentence, so that "scary" reaches items
about horror. The vectors of items stay as they are: the sentence becomes a vector of many terms,
which walks and searches treat like any other. Rare names, which word vectors know nothing about,
are matched as words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from unillmrec.tree.sentences.query_words import split_negation, topic_words, variants
from unillmrec.tree.sentences.word_vectors import WordVectors, bundled_word_vectors
from unillmrec.tree.vectors import Vector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

# How many of a catalog's most frequent terms are compared with a sentence, and how many keep a
# weight. More of either finds no more (benchmark *sentences*) and takes longer.
COMPARED_TERMS = 10_000
WEIGHTED_TERMS = 3_000
# A word of this many pieces is a rare name for the word vectors: they guess its meaning.
NAME_PIECES = 3
# Terms at least this similar to what is not wanted ("no", "without") count against an item. Less
# similar ones do not: horror without gore is still horror.
SAME_MEANING = 0.5


class TermTable:
    """The most frequent terms of a catalog with their word vectors."""

    def __init__(self, ids: Sequence[int], terms: Sequence[str]) -> None:
        self.ids = np.array(ids, np.int32)
        self._words = bundled_word_vectors()
        self._vectors = self._words.embed(terms) if terms else np.zeros((0, 0), np.float32)

    def vector_of(self, sentence: str, known: Mapping[str, tuple[int, float]]) -> Vector | None:
        """Return the vector of a sentence; None if neither meaning nor words match anything.

        *known* are the words of the sentence that the catalog has, with term id and idf.
        """
        wanted, unwanted = split_negation(sentence)
        words = topic_words(wanted)
        names = [word for word in words if not _has_meaning(self._words, word)]
        meaning = self._words.embed_together([word for word in words if word not in names])
        weights = self._similarities(meaning)
        if unwanted:
            other = self._similarities(self._words.embed_together(topic_words(unwanted)))
            weights = np.where(other >= SAME_MEANING, -other, weights)
        share = len(names) / max(len(words), 1)
        return _combined(self.ids, weights, _lexical(names, known), share)

    def _similarities(self, meaning: Floats) -> Floats:
        """Return the similarity of every term to a meaning, zero for all but the closest terms."""
        if not meaning.any() or not len(self.ids):
            return np.zeros(len(self.ids), np.float32)
        similar = self._vectors @ meaning
        if len(similar) > WEIGHTED_TERMS:
            similar[similar < np.partition(similar, -WEIGHTED_TERMS)[-WEIGHTED_TERMS]] = 0
        result: Floats = np.maximum(similar, 0)
        return result


def _has_meaning(vectors: WordVectors, word: str) -> bool:
    """Return whether the word vectors, which are English, know what a word means.

    For a rare name they only guess, from several pieces.
    """
    if not word.isascii():
        return False
    spellings = list(variants(word))
    if any(map(vectors.is_common, spellings)):
        return True
    return 0 < min(len(vectors.pieces_of(each)) for each in spellings) < NAME_PIECES


def _lexical(words: Sequence[str], known: Mapping[str, tuple[int, float]]) -> dict[int, float]:
    """Return term ids and idf of *words* in all spellings that the catalog has."""
    spellings = (each for word in words for each in variants(word))
    return dict(known[each] for each in spellings if each in known)


def _combined(
    ids: NDArray[np.int32], weights: Floats, names: Mapping[int, float], share: float
) -> Vector | None:
    """Return the sum of both kinds of evidence; names weigh as their *share* of the words."""
    meaning = _scaled(dict(zip(ids.tolist(), weights.tolist(), strict=True)), 1.0)
    for term, weight in _scaled(names, share).items():
        meaning[term] = meaning.get(term, 0.0) + weight
    terms = sorted(term for term, weight in meaning.items() if weight)
    if not terms:
        return None
    values = np.array([meaning[term] for term in terms], np.float32)
    return Vector(values, np.array(terms, np.int32)).unit()


def _scaled(weights: Mapping[int, float], length: float) -> dict[int, float]:
    """Return the weights as a vector of this length."""
    norm = float(np.linalg.norm(list(weights.values()))) if weights else 0.0
    return {term: length * weight / norm for term, weight in weights.items()} if norm else {}
