"""Learn a vocabulary from a sample, so that each shard can be weighed on its own."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from unillmrec.items import Item
from unillmrec.tree.terms import (
    NGRAM_MARK,
    TermVocabulary,
    character_ngrams,
    count_terms,
    least_uses,
    needs_ngrams,
    scale_rows_to_unit,
    term_idf,
    term_weights,
    weighted_texts,
    weighted_words,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def learn_vocabulary(sample: Sequence[Item], total: int) -> TermVocabulary:
    """Return the terms of a sample, and estimate how many of *total* items use each."""
    only_titles = all(len(weighted_texts(item)) == 1 for item in sample)
    with_ngrams = needs_ngrams(total, only_titles=only_titles)
    counts: Counter[str] = Counter()
    for item in sample:
        counts.update(count_terms(weighted_words(item), with_ngrams=with_ngrams).keys())
    ordered = sorted(counts, key=lambda term: term.startswith(NGRAM_MARK)) or [""]
    used_by = np.rint(np.array([counts[term] for term in ordered]) * (total / len(sample)))
    terms = np.array(ordered, object)
    # A term that the sample uses once is likely to be used again in the rest.
    is_kept = used_by >= least_uses(total)
    if not is_kept.any():
        is_kept[:] = True
    return TermVocabulary(terms[is_kept].tolist(), used_by[is_kept].astype(np.int64), with_ngrams)


class TermWeigher:
    """Makes unit rows of term weights with a vocabulary that is known before the items are."""

    def __init__(self, vocabulary: TermVocabulary, total: int) -> None:
        self._places: Mapping[str, int] = {
            term: place for place, term in enumerate(vocabulary.terms)
        }
        self._idf = term_idf(vocabulary.used_by, total)
        self._with_ngrams = vocabulary.with_ngrams

    def rows(self, items: Iterable[Item]) -> csr_matrix:
        """Return one row for each item."""
        matrix = self._count(items)
        idf = self._idf[matrix.indices]
        matrix.data = term_weights(matrix.data, idf).astype(np.float32)
        scale_rows_to_unit(matrix)
        return matrix

    def _count(self, items: Iterable[Item]) -> csr_matrix:
        """Return the weighted uses of each known term by each item."""
        from scipy.sparse import csr_matrix

        place_of = self._places.get
        ids, ends = array("i"), array("q", [0])
        lengths, weights = array("q"), array("f")
        for item in items:
            for words, weight in weighted_words(item):
                terms = chain(words, character_ngrams(words)) if self._with_ngrams else words
                known = [place for place in map(place_of, terms) if place is not None]
                ids.fromlist(known)
                lengths.append(len(known))
                weights.append(weight)
            ends.append(len(ids))
        uses = np.repeat(np.array(weights, np.float32), np.array(lengths, np.int64))
        matrix = csr_matrix(
            (uses, np.array(ids, np.int32), np.array(ends, np.int64)),
            shape=(len(ends) - 1, len(self._idf)),
        )
        matrix.sum_duplicates()
        return matrix
