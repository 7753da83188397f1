"""Words and their worth learnt from a sample, so that shards can be weighed apart from another."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from unillmrec.items import Item
from unillmrec.tree.clustering import Labels
from unillmrec.tree.terms import (
    KEEP_SINGLE_BELOW,
    PIECE,
    PIECES_UP_TO,
    Vocabulary,
    pieces,
    term_worth,
    terms_of,
    weighted_words,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def learn_vocabulary(sample: Sequence[Item], total: int) -> Vocabulary:
    """Return the terms of a sample with an estimate of how many of *total* items use each."""
    only_titles = all(len(list(weighted_words(item))) == 1 for item in sample)
    with_pieces = only_titles and total <= PIECES_UP_TO
    counted: Counter[str] = Counter()
    for item in sample:
        counted.update(terms_of(weighted_words(item), with_pieces=with_pieces).keys())
    ordered = sorted(counted, key=lambda term: term.startswith(PIECE)) or [""]
    used_by = np.rint(np.array([counted[term] for term in ordered]) * (total / len(sample)))
    terms = np.array(ordered, object)
    # What is used once in a sample is likely to be used again in the rest.
    kept = used_by >= (2 if total >= KEEP_SINGLE_BELOW else 1)
    if not kept.any():
        kept[:] = True
    return Vocabulary(terms[kept].tolist(), used_by[kept].astype(np.int64), with_pieces)


class Weigher:
    """Makes unit rows of weighted terms, as the whole catalog's would be."""

    def __init__(self, vocabulary: Vocabulary, total: int) -> None:
        self._places: Mapping[str, int] = {
            term: place for place, term in enumerate(vocabulary.terms)
        }
        self._worth = term_worth(vocabulary.used_by, total)
        self._with_pieces = vocabulary.with_pieces

    def rows(self, items: Iterable[Item]) -> csr_matrix:
        """Return one row for each item."""
        from scipy.sparse import csr_matrix

        place_of = self._places.get
        ids, ends = array("i"), array("q", [0])
        lengths, weights = array("q"), array("f")
        for item in items:
            for found, weight in weighted_words(item):
                terms = chain(found, pieces(found)) if self._with_pieces else found
                known = [place for place in map(place_of, terms) if place is not None]
                ids.fromlist(known)
                lengths.append(len(known))
                weights.append(weight)
            ends.append(len(ids))
        uses = np.repeat(np.array(weights, np.float32), np.array(lengths, np.int64))
        rows = csr_matrix(
            (uses, np.array(ids, np.int32), np.array(ends, np.int64)),
            shape=(len(ends) - 1, len(self._worth)),
        )
        rows.sum_duplicates()
        # Sublinear: the second use of a word says less than the first.
        uses = np.where(rows.data > 1, 1 + np.log(np.maximum(rows.data, 1)), rows.data)
        rows.data = (uses * self._worth[rows.indices]).astype(np.float32)
        return _unit(rows)


def _unit(rows: csr_matrix) -> csr_matrix:
    owners: Labels = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    lengths = np.sqrt(np.bincount(owners, rows.data.astype(np.float64) ** 2, rows.shape[0]))
    rows.data /= np.where(lengths > 0, lengths, 1)[owners].astype(np.float32)
    return rows
