"""Static vectors of words: words of similar meaning have similar vectors, without a model.

A vector has two halves. The first is the mean of the longest known pieces of a word, which every
word has; the second belongs to the whole word, if it is a common one. `NOTICE` names the sources,
and `benchmarks/pack_word_vectors.py` packs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

FILE_NAME = "word_vectors.npz"
# Marks the beginning of a word in the vocabulary of pieces.
_START = "\u2581"
# The weight of the half for whole words against that for pieces (benchmark *sentences*).
WHOLE_WORD_WEIGHT = 0.5


class WordVectors:
    """Vectors for pieces of words and for whole words."""

    def __init__(
        self, pieces: Sequence[str], piece_rows: Floats, words: Sequence[str], word_rows: Floats
    ) -> None:
        self._pieces = {piece: row for row, piece in enumerate(pieces)}
        self._words = {word: row for row, word in enumerate(words)}
        self._piece_rows = piece_rows
        self._word_rows = word_rows
        self._longest = max(map(len, pieces), default=0)

    def is_common(self, word: str) -> bool:
        """Return whether *word* has a vector of its own."""
        return word in self._words

    def pieces_of(self, word: str) -> list[int]:
        """Return the rows of the longest pieces that *word* can be split into, left to right.

        Characters that belong to no piece are skipped, so a word in another script has none.
        """
        rest = _START + word
        rows = []
        while rest:
            length = self._longest_piece(rest)
            if length:
                rows.append(self._pieces[rest[:length]])
            rest = rest[length or 1 :]
        return rows

    def _longest_piece(self, text: str) -> int:
        lengths = range(min(len(text), self._longest), 0, -1)
        return next((length for length in lengths if text[:length] in self._pieces), 0)

    def embed(self, words: Sequence[str]) -> Floats:
        """Return a vector for each word; the halves that nothing is known about are zero."""
        return np.stack([self.embed_together([word]) for word in words])

    def embed_together(self, words: Sequence[str]) -> Floats:
        """Return one vector for the meaning of all *words* together."""
        pieces = [row for word in words for row in self.pieces_of(word)]
        whole = [self._words[word] for word in words if word in self._words]
        halves = (
            _unit_mean(self._piece_rows, pieces),
            WHOLE_WORD_WEIGHT * _unit_mean(self._word_rows, whole),
        )
        vector: Floats = np.concatenate(halves)
        return vector


@lru_cache(1)
def bundled_word_vectors() -> WordVectors:
    """Return the vectors that are part of the package, loaded once per process."""
    with (
        (files("unillmrec.tree.sentences") / FILE_NAME).open("rb") as file,
        np.load(file) as packed,
    ):
        pieces, words = (
            packed[name].tobytes().decode().split("\n") for name in ("pieces", "words")
        )
        piece_rows, word_rows = (
            packed[f"{name}_rows"] * packed[f"{name}_scales"].astype(np.float32)[:, None]
            for name in ("pieces", "words")
        )
    return WordVectors(pieces, piece_rows, words, word_rows)


def _unit_mean(rows: Floats, chosen: Sequence[int]) -> Floats:
    """Return the mean of the chosen rows, scaled to length one; zero for none."""
    if not chosen:
        return np.zeros(rows.shape[1], np.float32)
    mean = rows[chosen].mean(axis=0)
    result: Floats = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return result
