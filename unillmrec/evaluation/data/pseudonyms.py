"""Catalogs with pseudonyms: what a model still finds in them, it did not merely remember.

The words of titles, and names such as brands and authors, are replaced by made-up words. The
same word always gets the same replacement, so items that share a word still do. What describes
the kind of an item stays: paths, and tags of attributes that name kinds, if many items share
them and no title begins with them. Ids, years and other numbers stay as well.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from unillmrec.building import BuildOptions, build
from unillmrec.items import Item, Value
from unillmrec.store import ItemTree
from unillmrec.store.survey import count_summaries
from unillmrec.tree.clustering import unit_rows
from unillmrec.tree.growing import Bounds
from unillmrec.tree.vectors import Floats

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BRACKETS = re.compile(r"\s*[(\[\uff08].*", re.DOTALL)
_ONSETS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "st", "tr")
_VOWELS = ("a", "e", "i", "o", "u")
_CODAS = ("", "", "l", "n", "r", "s", "x")
# Attributes whose names end in one of these words hold the kind of an item. Others may not: a
# brand or an author can have as many items as a genre.
_KIND_ATTRIBUTES = frozenset(
    {
        *("category", "categories", "genre", "genres", "subject", "subjects", "topic", "topics"),
        *("tag", "tags", "type", "types", "kind", "kinds", "department", "departments"),
        *("section", "sections", "format", "formats", "language", "languages"),
    }
)
# Of their tags, those shared by at least this many items: a rare tag may name a few of them.
SHARED_TAG = 0.005
LEAST_SHARED = 5
# In scripts with one character per word, a one-character name would match in every text.
LEAST_NAME_LENGTH = 2
# Function words; without them a made-up title would not look like a title.
_FUNCTION_WORDS = frozenset(
    {
        *("a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"),
        *("der", "die", "das", "und", "de", "du", "le", "la", "les", "el", "los", "y", "il"),
    }
)


class Pseudonyms:
    """Made-up replacements for words, each word always the same one; they depend on *seed*."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._replacements: dict[str, str] = {}
        self._used: set[str] = set()

    def replace_word(self, word: str) -> str:
        """Return the replacement for *word*, in the same upper or lower case."""
        replacement = self._invent(word.casefold())
        if len(word) > 1 and word.isupper():
            return replacement.upper()
        return replacement.capitalize() if word[:1].isupper() else replacement

    def _invent(self, word: str) -> str:
        if word not in self._replacements:
            chance = random.Random(f"{self._seed} {word}")
            syllables = 2 if len(word) < 7 else 3
            replacement = ""
            while not replacement or replacement in self._used:
                parts = [
                    chance.choice(_ONSETS) + chance.choice(_VOWELS) + chance.choice(_CODAS)
                    for _ in range(syllables)
                ]
                replacement = "".join(parts)
                # When a large catalog has used up the short words, longer ones follow.
                syllables += chance.random() < 0.1
            self._used.add(replacement)
            self._replacements[word] = replacement
        return self._replacements[word]

    def replace_words(self, text: str) -> str:
        """Return *text* with all words replaced but function words."""

        def replace(match: re.Match[str]) -> str:
            word = match[0]
            return word if word.casefold() in _FUNCTION_WORDS else self.replace_word(word)

        return _WORD.sub(replace, text)


def pseudonymise(items: Sequence[Item], seed: int = 0) -> Iterator[Item]:
    """Yield *items* in their order under pseudonyms; ids, numbers and kinds stay.

    In texts, capitalised words that occur in any title or name are replaced; the others
    describe the item without naming it. In scripts without capital letters, whole titles and
    names are replaced wherever they occur.
    """
    kinds, brands = _find_kinds(items)
    names = _Names(items, kinds)
    pseudonyms = Pseudonyms(seed)
    for item in items:
        yield Item(
            item.id,
            pseudonyms.replace_words(item.title),
            names.replace_in(item.text, pseudonyms),
            tuple(pseudonyms.replace_words(step) if step in brands else step for step in item.path),
            {
                key: _replace_tags(value, kinds if _holds_kinds(key) else frozenset(), pseudonyms)
                for key, value in item.attributes.items()
            },
        )


def build_pseudonymised_tree(tree: ItemTree, items: Sequence[Item], path: Path, seed: int) -> None:
    """Build a tree like *tree* from its *items* under pseudonyms.

    If the vectors of *tree* were supplied from outside, they are reused: only the text that a
    model reads changes.
    """
    facts = tree.facts
    options = BuildOptions(
        seed=facts["seed"],
        bounds=Bounds(**facts["bounds"]),
        popularity=facts.get("popularity"),
        given=None if tree.sparse else _TreeVectors(tree, items),
        tree=facts.get("tree", "clusters"),
    )
    build(pseudonymise(items, seed), path, options)


def pseudonym_remark(tree: ItemTree) -> str:
    """Describe what besides names differs in the pseudonymised tree; empty if nothing does."""
    summaries = count_summaries(tree)
    if not summaries:
        return ""
    return (
        f"its branches are described by their words, {summaries:,} of {tree.path.name} by "
        "summaries of a model: the two also differ in that"
    )


class _TreeVectors:
    """The item vectors of a tree, as the given vectors of a new one."""

    model = None

    def __init__(self, tree: ItemTree, items: Sequence[Item]) -> None:
        positions = tree.locate([item.id for item in items])
        rows = tree.item_matrix([positions[item.id][0] for item in items])
        self._rows = unit_rows(np.asarray(rows, np.float32))

    def add(self, item: Item) -> None:
        """Do nothing: all vectors are there."""

    def for_items(self, count: int) -> Floats:
        """Return the vectors in the order of the items."""
        return self._rows


def _holds_kinds(key: str) -> bool:
    """Return whether an attribute holds kinds, as "genres" and "main_category" do."""
    words = _WORD.findall(_CAMEL.sub(" ", key).replace("_", " "))
    return bool(words) and words[-1].casefold() in _KIND_ATTRIBUTES


def _find_kinds(items: Sequence[Item]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the tags that describe kinds of items, and the tags that are brands.

    A brand may occur among the categories; a title of its own items begins with it.
    """
    counts: Counter[str] = Counter()
    brands: set[str] = set()
    for item in items:
        tags = set(_kind_tags(item))
        counts.update(tags)
        title = _plain_words(item.title)
        for tag in tags.union(item.path) - brands:
            words = _plain_words(tag)
            if words and words == title[: len(words)]:
                brands.add(tag)
    least = max(LEAST_SHARED, SHARED_TAG * len(items))
    kinds = frozenset(tag for tag, count in counts.items() if count >= least)
    return kinds - brands, frozenset(brands)


def _plain_words(text: str) -> list[str]:
    """Return the words of *text* without case and apostrophes."""
    plain = text.casefold().replace("'", "").replace("\u2019", "")
    return re.findall(r"\w+", plain)


class _Names:
    """The words and whole names in titles and attributes, to be replaced in texts."""

    def __init__(self, items: Iterable[Item], kinds: frozenset[str]) -> None:
        self._words: set[str] = set()
        # For scripts without capital letters: whole names, and their lengths by first characters.
        self._whole: set[str] = set()
        self._lengths: dict[str, set[int]] = {}
        for item in items:
            item_kinds = kinds.intersection(_kind_tags(item))
            tags = (tag for value in item.attributes.values() for tag in _tags(value))
            for name in (item.title, *(tag for tag in tags if tag not in item_kinds)):
                self._words.update(word.casefold() for word in _WORD.findall(name))
                self._add_whole(_BRACKETS.sub("", name).strip())

    def _add_whole(self, name: str) -> None:
        # "Lo": letters without upper and lower case.
        if len(name) >= LEAST_NAME_LENGTH and any(unicodedata.category(c) == "Lo" for c in name):
            self._whole.add(name)
            self._lengths.setdefault(name[:LEAST_NAME_LENGTH], set()).add(len(name))

    def replace_in(self, text: str, pseudonyms: Pseudonyms) -> str:
        """Return *text* with the names replaced."""

        def replace(match: re.Match[str]) -> str:
            plain = match[0].casefold()
            is_name = match[0][:1].isupper() and plain in self._words
            if not is_name or plain in _FUNCTION_WORDS:
                return match[0]
            return pseudonyms.replace_word(match[0])

        return self._replace_whole(_WORD.sub(replace, text), pseudonyms)

    def _replace_whole(self, text: str, pseudonyms: Pseudonyms) -> str:
        if not self._whole:
            return text
        parts: list[str] = []
        at = 0
        while at < len(text):
            lengths = self._lengths.get(text[at : at + LEAST_NAME_LENGTH], ())
            candidates = (text[at : at + length] for length in sorted(lengths, reverse=True))
            name = next((each for each in candidates if each in self._whole), None)
            parts.append(pseudonyms.replace_words(name) if name else text[at])
            at += len(name) if name else 1
        return "".join(parts)


def _kind_tags(item: Item) -> Iterator[str]:
    """Yield the tags of the attributes that hold kinds."""
    for key, value in item.attributes.items():
        if _holds_kinds(key):
            yield from _tags(value)


def _tags(value: Value) -> tuple[str, ...]:
    if isinstance(value, tuple):
        return value
    return (value,) if isinstance(value, str) else ()


def _replace_tags(value: Value, kinds: frozenset[str], pseudonyms: Pseudonyms) -> Value:
    if isinstance(value, tuple):
        return tuple(tag if tag in kinds else pseudonyms.replace_words(tag) for tag in value)
    if isinstance(value, str) and value not in kinds:
        return pseudonyms.replace_words(value)
    return value
