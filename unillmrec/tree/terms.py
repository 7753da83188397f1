"""Item text as weighted terms: what is read, how it is cut, what a term is worth."""

from __future__ import annotations

import math
import re
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.items import Item
from unillmrec.tree.vectors import Floats, Ints, Vector

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Stands after the words of each of several texts; no word can be it.
END = "\0"
_STRANGE = "\1"
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_ASCII_CUT = "".join(
    each if each.isalnum() or each in (END, _STRANGE) else " " for each in map(chr, range(128))
)
# Han and kana are written without spaces, and hangul words grow endings: a character is a term.
_SYLLABLES = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
# Vowel signs and points are no letters to `re`, but words of many scripts are full of them.
_MARKS = (
    r"\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0900-\u0963"
    r"\u0966-\u0dff\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u0f71-\u0f84"
    r"\u102b-\u103e\u17b4-\u17d3"
)
_LETTERS = rf"[^\W_{_SYLLABLES}]"
_WORD = re.compile(rf"(?=\w)[{_SYLLABLES}]|{_LETTERS}+(?:[{_MARKS}]+{_LETTERS}*)*")
_NUMBERS = frozenset({float, int, bool})
# Terms that begin so are pieces of words; no word can, so the two share one vocabulary.
PIECE = "#"
PIECE_LENGTHS = (3, 4)

# Character n-grams help where titles are all there is, and cost ten terms for one word: a
# catalog too large for them does well with its words.
PIECES_UP_TO = 200_000
# A word used once in a large catalog joins nothing to anything; in a small one it may be
# the very word somebody asks for.
KEEP_SINGLE_BELOW = 5_000
# Texts wait to be cut into words together, up to so many, or so many characters.
WAITING_TEXTS = 4_096
WAITING_CHARACTERS = 1 << 20


@dataclass(frozen=True, slots=True)
class FieldWeights:
    """What a word counts for, by where it stands. From benchmarks/results/fields.json."""

    title: float = 1.0
    path: float = 1.0
    attributes: float = 1.0
    text: float = 0.5


FIELD_WEIGHTS = FieldWeights()


def words(text: str) -> list[str]:
    """Return the words of *text*, lower case, in order; "Smith's" is smith."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower().replace("'s", ""))
    plain = unicodedata.normalize("NFKC", text).lower()
    return _WORD.findall(plain.replace("'s", "").replace("\u2019s", ""))


def words_of_all(texts: Sequence[str]) -> list[str]:
    """Return the words of many texts in order, `END` after those of each.

    Plain texts are cut all at once, which takes a third of the time of cutting each.
    """
    plain = [text if text.isascii() and text.isprintable() else _STRANGE for text in texts]
    strange = [text for text, kept in zip(texts, plain, strict=True) if kept == _STRANGE]
    joined = f" {END} ".join([*plain, ""])
    first, *others = joined.lower().replace("'s", "").translate(_ASCII_CUT).split(_STRANGE)
    found = first.split()
    for text, following in zip(strange, others, strict=True):
        found += words(text)
        found += following.split()
    return found


def pieces(word_list: list[str]) -> Iterator[str]:
    """Return the character n-grams of words, their ends marked."""
    for word in word_list:
        marked = f" {word} "
        for length in PIECE_LENGTHS:
            for start in range(max(len(marked) - length + 1, 1)):
                yield PIECE + marked[start : start + length]


def weighted_texts(item: Item, weights: FieldWeights = FIELD_WEIGHTS) -> list[tuple[str, float]]:
    """Return the text of each field of an item with the field's weight."""
    fields = [(item.title, weights.title)]
    if item.path and weights.path:
        fields.append((" ".join(item.path), weights.path))
    if item.attributes and weights.attributes:
        named: list[str] = []
        for value in item.attributes.values():
            if type(value) not in _NUMBERS:
                named += _attribute_text(value)
        if named:
            fields.append((" ".join(named), weights.attributes))
    if item.text and weights.text:
        fields.append((item.text, weights.text))
    return fields


def weighted_words(
    item: Item, weights: FieldWeights = FIELD_WEIGHTS
) -> Iterator[tuple[list[str], float]]:
    """Return the words of each field of an item with the field's weight."""
    return ((words(text), weight) for text, weight in weighted_texts(item, weights))


def _attribute_text(value: object) -> tuple[str, ...]:
    """Return what an attribute says in words: names and tags do, numbers and addresses do not."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, str) and len(value) <= 80 and "://" not in value:
        return (value,)
    return ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The terms of a catalog, and how many of its items use each."""

    terms: list[str]
    used_by: NDArray[np.int64]
    with_pieces: bool

    def used(self) -> Iterator[tuple[str, int]]:
        """Return each term with the number of items that use it."""
        return zip(self.terms, map(int, self.used_by), strict=True)


class TermCounter:
    """Counts the terms of items as they stream by, in 4 bytes a term.

    Left to itself it adds character n-grams where titles are all there is.
    """

    def __init__(
        self, weights: FieldWeights = FIELD_WEIGHTS, *, with_pieces: bool | None = None
    ) -> None:
        self._weights = weights
        self._with_pieces = with_pieces
        self._numbers: defaultdict[str, int] = defaultdict()
        self._numbers.default_factory = self._numbers.__len__
        self._numbers[END] = 0
        self._waiting: list[str] = []
        self._characters = 0
        self._ids: list[Ints] = []
        self._lengths: list[Ints] = []
        self._text_weights = array("f")
        self._texts_of_items = array("b")

    def add(self, item: Item) -> None:
        """Count the terms of one item."""
        self.add_all([item])

    def add_all(self, items: Iterable[Item]) -> None:
        """Count the terms of each item."""
        for item in items:
            before = len(self._waiting)
            for text, weight in weighted_texts(item, self._weights):
                self._waiting.append(text)
                self._text_weights.append(weight)
                self._characters += len(text)
            self._texts_of_items.append(len(self._waiting) - before)
            if len(self._waiting) >= WAITING_TEXTS or self._characters >= WAITING_CHARACTERS:
                self._count()

    def _count(self) -> None:
        found = words_of_all(self._waiting)
        numbers = np.fromiter(map(self._numbers.__getitem__, found), np.int32, len(found))
        at_end = numbers == 0
        self._lengths.append(np.diff(np.flatnonzero(at_end), prepend=-1).astype(np.int32) - 1)
        self._ids.append(numbers[~at_end] - 1)
        self._waiting.clear()
        self._characters = 0

    def finish(self) -> tuple[Vocabulary, csr_matrix]:
        """Return the vocabulary and one unit row of weighted terms for each item."""
        matrix, terms = self._counted()
        with_pieces = self._with_pieces
        if with_pieces is None:
            only_titles = len(self._text_weights) == matrix.shape[0]
            with_pieces = only_titles and matrix.shape[0] <= PIECES_UP_TO
        if with_pieces:
            matrix, terms = _with_pieces(matrix, terms)
        matrix, used_by, kept = _without_singles(matrix)
        worth = term_worth(used_by, matrix.shape[0])
        # Sublinear: the second use of a word says less than the first.
        matrix.data = np.where(matrix.data > 1, 1 + np.log(np.maximum(matrix.data, 1)), matrix.data)
        matrix.data = (matrix.data * worth[matrix.indices]).astype(np.float32)
        _make_rows_unit(matrix)
        return Vocabulary([terms[place] for place in kept], used_by, with_pieces), matrix

    def _counted(self) -> tuple[csr_matrix, list[str]]:
        from scipy.sparse import csr_matrix

        self._count()
        terms = list(self._numbers)[1:] or [""]
        ids, lengths = np.concatenate(self._ids), np.concatenate(self._lengths)
        self._ids.clear()
        weights = np.repeat(np.array(self._text_weights), lengths)
        last_texts = np.cumsum(np.array(self._texts_of_items), dtype=np.int64)
        ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        ends = ends[np.concatenate([[0], last_texts])]
        matrix = csr_matrix((weights, ids, ends), shape=(len(ends) - 1, len(terms)))
        matrix.sum_duplicates()
        return matrix, terms


def _with_pieces(matrix: csr_matrix, terms: list[str]) -> tuple[csr_matrix, list[str]]:
    """Add to word counts the counts of the words' character n-grams."""
    from scipy.sparse import csr_matrix, hstack

    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    ids, ends = array("i"), array("q", [0])
    for term in terms:
        ids.extend(map(numbers.__getitem__, pieces([term])))
        ends.append(len(ids))
    spelled = csr_matrix(
        (np.ones(len(ids), np.float32), np.array(ids, np.int32), np.array(ends, np.int64)),
        shape=(len(terms), max(len(numbers), 1)),
    )
    together = hstack([matrix, matrix @ spelled], format="csr", dtype=np.float32)
    return together, terms + (list(numbers) or [PIECE])


def term_worth(used_by: NDArray[np.int64], count: int) -> Floats:
    """Return the worth of terms that so many of *count* items use."""
    worth: Floats = (np.log((1 + count) / (1 + used_by)) + 1).astype(np.float32)
    return worth


def _without_singles(matrix: csr_matrix) -> tuple[csr_matrix, NDArray[np.int64], Ints]:
    used_by = np.bincount(matrix.indices, minlength=matrix.shape[1])
    least = 2 if matrix.shape[0] >= KEEP_SINGLE_BELOW else 1
    kept = np.flatnonzero(used_by >= least).astype(np.int32)
    if not len(kept):
        kept = np.arange(matrix.shape[1], dtype=np.int32)
    return matrix[:, kept], used_by[kept], kept


def _make_rows_unit(matrix: csr_matrix) -> None:
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    lengths = np.sqrt(np.bincount(rows, matrix.data.astype(np.float64) ** 2, matrix.shape[0]))
    matrix.data /= np.where(lengths > 0, lengths, 1)[rows].astype(np.float32)


def terms_of(fields: Iterator[tuple[list[str], float]], *, with_pieces: bool) -> dict[str, float]:
    """Return how much each term is used in the fields of one item or sentence."""
    used: dict[str, float] = defaultdict(float)
    for found, weight in fields:
        for term in chain(found, pieces(found) if with_pieces else ()):
            used[term] += weight
    return used


def vector_of(used: Mapping[str, float], known: Mapping[str, tuple[int, float]]) -> Vector:
    """Return the unit vector of used terms, given the id and the worth of those *known*."""
    weighted = sorted(
        (known[term][0], (1 + math.log(use) if use > 1 else use) * known[term][1])
        for term, use in used.items()
        if term in known
    )
    ids = np.array([place for place, _ in weighted], np.int32)
    return Vector(np.array([weight for _, weight in weighted], np.float32), ids).unit()
