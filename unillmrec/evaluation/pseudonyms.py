"""A catalog under false names: what a model still finds there, it did not merely remember.

A title's words, and names such as brands and authors, become made-up words, each word always
the same one, so that what belongs together still does. What says of which kind an item is
stays: categories, and tags that many items share. Years and other numbers stay too.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from unillmrec.indexing import BuildOptions, build
from unillmrec.items import Item, Value
from unillmrec.store import ItemTree
from unillmrec.tree.clustering import unit_rows
from unillmrec.tree.growing import Bounds
from unillmrec.tree.vectors import Floats

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_ONSETS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "st", "tr")
_VOWELS = ("a", "e", "i", "o", "u")
_CODAS = ("", "", "l", "n", "r", "s", "x")
# A tag that at least so many items have says of which kind they are, and names none of them.
SHARED_TAG = 0.005
LEAST_SHARED = 5
# Words that join others; without them a made-up title would not look like one.
_JOINING = frozenset(
    {
        *("a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"),
        *("der", "die", "das", "und", "de", "du", "le", "la", "les", "el", "los", "y", "il"),
    }
)


class Pseudonyms:
    """Made-up words for words: another *seed*, other words; the same word, always the same one."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._made: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, word: str) -> str:
        """Return the made-up word for *word*, written large where it is."""
        made = self._invented(word.casefold())
        if len(word) > 1 and word.isupper():
            return made.upper()
        return made.capitalize() if word[:1].isupper() else made

    def _invented(self, word: str) -> str:
        if word not in self._made:
            chance = random.Random(f"{self._seed} {word}")
            syllables = 2 if len(word) < 7 else 3
            made = ""
            while not made or made in self._taken:
                parts = [
                    chance.choice(_ONSETS) + chance.choice(_VOWELS) + chance.choice(_CODAS)
                    for _ in range(syllables)
                ]
                made = "".join(parts)
                # A catalog with more words than there are short ones gets longer ones.
                syllables += chance.random() < 0.1
            self._taken.add(made)
            self._made[word] = made
        return self._made[word]

    def text(self, text: str, only: frozenset[str] | None = None) -> str:
        """Return *text* with its words replaced, or with those in *only*."""

        def replaced(found: re.Match[str]) -> str:
            word = found[0]
            plain = word.casefold()
            if plain in _JOINING or (only is not None and plain not in only):
                return word
            return self.of(word)

        return _WORD.sub(replaced, text)


def pseudonymised(items: Sequence[Item], seed: int = 0) -> Iterator[Item]:
    """Return *items* in their order under false names; ids, numbers and kinds are their own.

    In a text, words that are written large and stand in some title or name are replaced: the
    others tell what an item is about, as a stranger would.
    """
    kinds = _shared_tags(items)
    names = _naming_words(items, kinds)
    made = Pseudonyms(seed)
    for item in items:
        attributes = {key: _renamed(value, kinds, made) for key, value in item.attributes.items()}
        yield Item(
            item.id,
            made.text(item.title),
            _WORD.sub(lambda found: _in_text(found[0], names, made), item.text),
            item.path,
            attributes,
        )


def build_under_false_names(tree: ItemTree, items: Sequence[Item], path: Path, seed: int) -> None:
    """Build a tree of *items*, which are those of *tree*, under false names and otherwise like it.

    Where its vectors were given, the same vectors are given: only what a model reads is false.
    """
    facts = tree.facts
    options = BuildOptions(
        seed=facts["seed"],
        bounds=Bounds(**facts["bounds"]),
        popularity=facts.get("popularity"),
        given=None if tree.sparse else _Vectors(tree, items),
        tree=facts.get("tree", "clusters"),
    )
    build(pseudonymised(items, seed), path, options)


class _Vectors:
    """The vectors of a tree, given once more."""

    model = None

    def __init__(self, tree: ItemTree, items: Sequence[Item]) -> None:
        places = tree.places_of([item.id for item in items])
        rows = tree.item_rows([places[item.id][0] for item in items])
        self._rows = unit_rows(np.asarray(rows, np.float32))

    def add(self, item: Item) -> None:
        """Take no note: they are all there."""

    def for_items(self, count: int) -> Floats:
        """Return them in the order of the items."""
        return self._rows


def _in_text(word: str, names: frozenset[str], made: Pseudonyms) -> str:
    known = word[:1].isupper() and word.casefold() in names
    return made.of(word) if known and word.casefold() not in _JOINING else word


def _shared_tags(items: Sequence[Item]) -> frozenset[str]:
    """Return the values of attributes that so many items have that they name none of them."""
    counts: Counter[str] = Counter()
    for item in items:
        counts.update({tag for value in item.attributes.values() for tag in _tags(value)})
    least = max(LEAST_SHARED, SHARED_TAG * len(items))
    return frozenset(tag for tag, count in counts.items() if count >= least)


def _naming_words(items: Iterable[Item], kinds: frozenset[str]) -> frozenset[str]:
    words: set[str] = set()
    for item in items:
        named = [tag for value in item.attributes.values() for tag in _tags(value)]
        for text in (item.title, *(tag for tag in named if tag not in kinds)):
            words.update(word.casefold() for word in _WORD.findall(text))
    return frozenset(words)


def _tags(value: Value) -> tuple[str, ...]:
    if isinstance(value, tuple):
        return value
    return (value,) if isinstance(value, str) else ()


def _renamed(value: Value, kinds: frozenset[str], made: Pseudonyms) -> Value:
    if isinstance(value, tuple):
        return tuple(tag if tag in kinds else made.text(tag) for tag in value)
    if isinstance(value, str) and value not in kinds:
        return made.text(value)
    return value
