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
        pieces = [self.pieces_of(word) for word in words]
        whole = [[self._words[word]] if word in self._words else [] for word in words]
        return self._joined(pieces, whole)

    def embed_together(self, words: Sequence[str]) -> Floats:
        """Return one vector for the meaning of all *words* together."""
        pieces = [row for word in words for row in self.pieces_of(word)]
        whole = [self._words[word] for word in words if word in self._words]
        vector: Floats = self._joined([pieces], [whole])[0]
        return vector

    def _joined(self, pieces: Sequence[list[int]], whole: Sequence[list[int]]) -> Floats:
        halves = (
            _unit_sums(self._piece_rows, pieces),
            WHOLE_WORD_WEIGHT * _unit_sums(self._word_rows, whole),
        )
        return np.concatenate(halves, axis=1)


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


def _unit_sums(rows: Floats, chosen: Sequence[list[int]]) -> Floats:
    """Return for each list the sum of the chosen rows, scaled to length one; zero for none."""
    sums = np.zeros((len(chosen), rows.shape[1]), np.float32)
    filled = [place for place, each in enumerate(chosen) if each]
    if filled:
        flat = [row for place in filled for row in chosen[place]]
        starts = np.cumsum([0, *(len(chosen[place]) for place in filled[:-1])])
        sums[filled] = np.add.reduceat(rows[flat], starts, axis=0)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    result: Floats = sums / np.maximum(lengths, 1e-9)
    return result
