"""Turn item text into weighted terms: fields, words, character n-grams and tf-idf."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unillmrec.items import Item
from unillmrec.tree.vectors import Floats, Ints, Vector

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Separates the words of several texts; no word can equal it.
END = "\0"
_NOT_ASCII = "\1"
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_ASCII_CUT = "".join(
    each if each.isalnum() or each in (END, _NOT_ASCII) else " " for each in map(chr, range(128))
)
# Han and kana are written without spaces, and Hangul words take endings: each character is a term.
_SYLLABLES = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
# `re` does not count vowel signs and points as letters, but words of many scripts contain them.
_MARKS = (
    r"\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0900-\u0963"
    r"\u0966-\u0dff\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u0f71-\u0f84"
    r"\u102b-\u103e\u17b4-\u17d3"
)
_LETTERS = rf"[^\W_{_SYLLABLES}]"
_WORD = re.compile(rf"(?=\w)[{_SYLLABLES}]|{_LETTERS}+(?:[{_MARKS}]+{_LETTERS}*)*")
_NUMBERS = frozenset({float, int, bool})
# Terms that start with this are character n-grams. No word can, so both share one vocabulary.
NGRAM_MARK = "#"
NGRAM_LENGTHS = (3, 4)

# Character n-grams help catalogs that have nothing but titles, at ten terms for each word. Larger
# catalogs do well without them.
NGRAMS_UP_TO = 200_000
# A word used once in a large catalog connects no two items; in a small one it may be exactly
# what somebody asks for.
KEEP_SINGLE_BELOW = 5_000
# Texts are collected and split together, up to this many texts or characters.
WAITING_TEXTS = 4_096
WAITING_CHARACTERS = 1 << 20

KnownTerms: TypeAlias = Mapping[str, tuple[int, float]]
"""The id and the idf of each term of a catalog."""


@dataclass(frozen=True, slots=True)
class FieldWeights:
    """The weight of a word in each field of an item, from benchmarks/results/fields.json."""

    title: float = 1.0
    path: float = 1.0
    attributes: float = 1.0
    text: float = 0.5


FIELD_WEIGHTS = FieldWeights()


def split_words(text: str) -> list[str]:
    """Return the words of *text* in order, in lower case and without a possessive 's."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower().replace("'s", ""))
    plain = unicodedata.normalize("NFKC", text).lower()
    return _WORD.findall(plain.replace("'s", "").replace("\u2019s", ""))


def split_texts(texts: Sequence[str]) -> list[str]:
    """Return the words of many texts in order, with `END` after the words of each text.

    ASCII texts are split together, which takes a third of the time of splitting each.
    """
    ascii_texts = [text if text.isascii() and text.isprintable() else _NOT_ASCII for text in texts]
    others = [text for text, each in zip(texts, ascii_texts, strict=True) if each == _NOT_ASCII]
    joined = f" {END} ".join([*ascii_texts, ""])
    first, *rest = joined.lower().replace("'s", "").translate(_ASCII_CUT).split(_NOT_ASCII)
    words = first.split()
    for text, following in zip(others, rest, strict=True):
        words += split_words(text)
        words += following.split()
    return words


def character_ngrams(words: Iterable[str]) -> Iterator[str]:
    """Yield the character n-grams of words; a space marks the ends of a word."""
    for word in words:
        spaced = f" {word} "
        for length in NGRAM_LENGTHS:
            for start in range(max(len(spaced) - length + 1, 1)):
                yield NGRAM_MARK + spaced[start : start + length]


def weighted_texts(item: Item, weights: FieldWeights = FIELD_WEIGHTS) -> list[tuple[str, float]]:
    """Return the text of each field of an item, with the weight of the field."""
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
    """Yield the words of each field of an item, with the weight of the field."""
    return ((split_words(text), weight) for text, weight in weighted_texts(item, weights))


def _attribute_text(value: object) -> tuple[str, ...]:
    """Return the texts of an attribute: names and tags, but no numbers, addresses or long texts."""
    if isinstance(value, tuple):
        return value
    if isinstance(value, str) and len(value) <= 80 and "://" not in value:
        return (value,)
    return ()


@dataclass(frozen=True, slots=True)
class TermVocabulary:
    """The terms of a catalog, and the number of its items that use each."""

    terms: list[str]
    used_by: NDArray[np.int64]
    with_ngrams: bool

    def counts(self) -> Iterator[tuple[str, int]]:
        """Yield each term with the number of items that use it."""
        return zip(self.terms, map(int, self.used_by), strict=True)


class TermCounter:
    """Counts the terms of items while a catalog streams by, in 4 bytes for each use of a term.

    Unless *with_ngrams* says otherwise, catalogs that have nothing but titles get n-grams.
    """

    def __init__(
        self, weights: FieldWeights = FIELD_WEIGHTS, *, with_ngrams: bool | None = None
    ) -> None:
        self._weights = weights
        self._with_ngrams = with_ngrams
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
        """Split the waiting texts and replace their words by numbers."""
        words = split_texts(self._waiting)
        numbers = np.fromiter(map(self._numbers.__getitem__, words), np.int32, len(words))
        at_end = numbers == 0
        self._lengths.append(np.diff(np.flatnonzero(at_end), prepend=-1).astype(np.int32) - 1)
        self._ids.append(numbers[~at_end] - 1)
        self._waiting.clear()
        self._characters = 0

    def finish(self) -> tuple[TermVocabulary, csr_matrix]:
        """Return the vocabulary, and a unit row of term weights for each item."""
        matrix, terms = self._count_matrix()
        with_ngrams = self._with_ngrams
        if with_ngrams is None:
            only_titles = len(self._text_weights) == matrix.shape[0]
            with_ngrams = needs_ngrams(matrix.shape[0], only_titles=only_titles)
        if with_ngrams:
            matrix, terms = _add_ngrams(matrix, terms)
        matrix, used_by, columns = _drop_rare_terms(matrix)
        idf = term_idf(used_by, matrix.shape[0])
        matrix.data = term_weights(matrix.data, idf[matrix.indices]).astype(np.float32)
        scale_rows_to_unit(matrix)
        return TermVocabulary([terms[column] for column in columns], used_by, with_ngrams), matrix

    def _count_matrix(self) -> tuple[csr_matrix, list[str]]:
        """Return the weighted uses of each word by each item, and the words."""
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


def _add_ngrams(matrix: csr_matrix, terms: list[str]) -> tuple[csr_matrix, list[str]]:
    """Add the counts of character n-grams to the counts of the words they come from."""
    from scipy.sparse import csr_matrix, hstack

    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    ids, ends = array("i"), array("q", [0])
    for term in terms:
        ids.extend(map(numbers.__getitem__, character_ngrams([term])))
        ends.append(len(ids))
    ngrams_of_words = csr_matrix(
        (np.ones(len(ids), np.float32), np.array(ids, np.int32), np.array(ends, np.int64)),
        shape=(len(terms), max(len(numbers), 1)),
    )
    together = hstack([matrix, matrix @ ngrams_of_words], format="csr", dtype=np.float32)
    return together, terms + (list(numbers) or [NGRAM_MARK])


def _drop_rare_terms(matrix: csr_matrix) -> tuple[csr_matrix, NDArray[np.int64], Ints]:
    """Return the columns of terms that enough items use, their counts, and their old numbers."""
    used_by = np.bincount(matrix.indices, minlength=matrix.shape[1])
    columns = np.flatnonzero(used_by >= least_uses(matrix.shape[0])).astype(np.int32)
    if not len(columns):
        columns = np.arange(matrix.shape[1], dtype=np.int32)
    return matrix[:, columns], used_by[columns], columns


def needs_ngrams(count: int, *, only_titles: bool) -> bool:
    """Return whether a catalog of *count* items is described by character n-grams too."""
    return only_titles and count <= NGRAMS_UP_TO


def least_uses(count: int) -> int:
    """Return how many of *count* items must use a term for the vocabulary to keep it."""
    return 2 if count >= KEEP_SINGLE_BELOW else 1


def term_idf(used_by: NDArray[np.integer], count: int) -> Floats:
    """Return the inverse document frequency of terms, each used by *used_by* of *count* items.

    It is 1 for a term that every item uses, and grows as terms get rarer.
    """
    idf: Floats = (np.log((1 + count) / (1 + used_by)) + 1).astype(np.float32)
    return idf


def term_weights(uses: NDArray[np.floating], idf: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the tf-idf weights of terms that are used *uses* times; repeats count by logarithm."""
    # The second use of a word adds less than the first.
    weights: NDArray[np.floating] = np.where(uses > 1, 1 + np.log(np.maximum(uses, 1)), uses) * idf
    return weights


def scale_rows_to_unit(matrix: csr_matrix) -> None:
    """Give every row the length one, in place; rows without weight stay zero."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    lengths = np.sqrt(np.bincount(rows, matrix.data.astype(np.float64) ** 2, matrix.shape[0]))
    matrix.data /= np.where(lengths > 0, lengths, 1)[rows].astype(matrix.data.dtype)


def count_terms(
    fields: Iterable[tuple[Sequence[str], float]], *, with_ngrams: bool
) -> dict[str, float]:
    """Return the weighted number of uses of each term in the fields of one item or sentence."""
    uses: dict[str, float] = defaultdict(float)
    for words, weight in fields:
        for term in chain(words, character_ngrams(words) if with_ngrams else ()):
            uses[term] += weight
    return uses


def term_vector(uses: Mapping[str, float], known: KnownTerms) -> Vector:
    """Return the unit vector of the terms of *uses* that are *known*."""
    entries = _known_entries(uses, known)
    ids = np.array([place for place, _, _ in entries], np.int32)
    idf = np.array([rarity for _, rarity, _ in entries])
    weights = term_weights(np.array([count for _, _, count in entries]), idf)
    return Vector(weights.astype(np.float32), ids).unit()


def weighted_rows(used: Iterable[Mapping[str, float]], known: KnownTerms, width: int) -> csr_matrix:
    """Return a unit row of term weights for each mapping of terms to uses."""
    from scipy.sparse import csr_matrix

    ids, idf, counts, ends = array("i"), array("d"), array("d"), array("q", [0])
    for uses in used:
        for place, rarity, count in _known_entries(uses, known):
            ids.append(place)
            idf.append(rarity)
            counts.append(count)
        ends.append(len(ids))
    weights = term_weights(np.array(counts), np.array(idf))
    rows = csr_matrix((weights, np.array(ids, np.int32), np.array(ends)), (len(ends) - 1, width))
    scale_rows_to_unit(rows)
    return rows.astype(np.float32)


def _known_entries(uses: Mapping[str, float], known: KnownTerms) -> list[tuple[int, float, float]]:
    """Return the id, idf and number of uses of each known term, by ascending id."""
    return sorted((*known[term], count) for term, count in uses.items() if term in known)
