"""A catalog under false names: what a model still finds there, it did not merely remember.

A title's words, and names such as brands and authors, become made-up words, each word always
the same one, so that what belongs together still does. What says of which kind an item is
stays: paths, and tags of attributes that name kinds, where many items share them and no title
begins with them. Ids, years and other numbers stay too.
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
# An attribute whose name ends in one of these says of which kind an item is; no other does, as
# a brand or an author may have as many items as a genre.
_KIND_ATTRIBUTES = frozenset(
    {
        *("category", "categories", "genre", "genres", "subject", "subjects", "topic", "topics"),
        *("tag", "tags", "type", "types", "kind", "kinds", "department", "departments"),
        *("section", "sections", "format", "formats", "language", "languages"),
    }
)
# And of those, a tag that at least so many items have: a rare one may name a few of them.
SHARED_TAG = 0.005
LEAST_SHARED = 5
# A name of one sign would be found in every text of a script that has a sign for a word.
LEAST_WHOLE = 2
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
    others tell what an item is about, as a stranger would. Where a script writes nothing large,
    whole titles and names are, wherever they stand.
    """
    kinds, branded = _kinds(items)
    names = _Names(items, kinds)
    made = Pseudonyms(seed)
    for item in items:
        yield Item(
            item.id,
            made.text(item.title),
            names.replaced(item.text, made),
            tuple(made.text(step) if step in branded else step for step in item.path),
            {
                key: _renamed(value, kinds if _says_kind(key) else frozenset(), made)
                for key, value in item.attributes.items()
            },
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


def remark_on(tree: ItemTree) -> str:
    """Say what else than names is another in a tree under false names; nothing, if nothing is."""
    described = count_summaries(tree)
    if not described:
        return ""
    return (
        f"its branches are told by their words, {described:,} of {tree.path.name} by what a model "
        "wrote of them: the two differ in that too"
    )


class _Vectors:
    """The vectors of a tree, given once more."""

    model = None

    def __init__(self, tree: ItemTree, items: Sequence[Item]) -> None:
        places = tree.locate([item.id for item in items])
        rows = tree.item_matrix([places[item.id][0] for item in items])
        self._rows = unit_rows(np.asarray(rows, np.float32))

    def add(self, item: Item) -> None:
        """Take no note: they are all there."""

    def for_items(self, count: int) -> Floats:
        """Return them in the order of the items."""
        return self._rows


def _says_kind(key: str) -> bool:
    """Say whether an attribute is of kinds: "genres" and "main_category" are, "brand" is not."""
    words = _WORD.findall(_CAMEL.sub(" ", key).replace("_", " "))
    return bool(words) and words[-1].casefold() in _KIND_ATTRIBUTES


def _kinds(items: Sequence[Item]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the tags that say of which kind items are, and those that name some of them.

    A brand may stand among the categories: a title of its own items begins with it.
    """
    counts: Counter[str] = Counter()
    branded: set[str] = set()
    for item in items:
        tags = set(_kind_tags(item))
        counts.update(tags)
        title = _bare(item.title)
        for tag in tags.union(item.path) - branded:
            words = _bare(tag)
            if words and words == title[: len(words)]:
                branded.add(tag)
    least = max(LEAST_SHARED, SHARED_TAG * len(items))
    kinds = frozenset(tag for tag, count in counts.items() if count >= least)
    return kinds - branded, frozenset(branded)


def _bare(text: str) -> list[str]:
    """Return the words of *text*, all the same however somebody wrote them."""
    plain = text.casefold().replace("'", "").replace("\u2019", "")
    return re.findall(r"\w+", plain)


class _Names:
    """All that titles and names hold, to be found again in texts."""

    def __init__(self, items: Iterable[Item], kinds: frozenset[str]) -> None:
        self._words: set[str] = set()
        # Where nothing is written large: whole names, and by how they begin, how long they are.
        self._whole: set[str] = set()
        self._lengths: dict[str, set[int]] = {}
        for item in items:
            kept = kinds.intersection(_kind_tags(item))
            tags = (tag for value in item.attributes.values() for tag in _tags(value))
            for name in (item.title, *(tag for tag in tags if tag not in kept)):
                self._words.update(word.casefold() for word in _WORD.findall(name))
                self._take_whole(_BRACKETS.sub("", name).strip())

    def _take_whole(self, name: str) -> None:
        if len(name) >= LEAST_WHOLE and any(unicodedata.category(sign) == "Lo" for sign in name):
            self._whole.add(name)
            self._lengths.setdefault(name[:LEAST_WHOLE], set()).add(len(name))

    def replaced(self, text: str, made: Pseudonyms) -> str:
        """Return *text* with these names replaced."""

        def word(found: re.Match[str]) -> str:
            plain = found[0].casefold()
            named = found[0][:1].isupper() and plain in self._words and plain not in _JOINING
            return made.of(found[0]) if named else found[0]

        return self._without_whole(_WORD.sub(word, text), made)

    def _without_whole(self, text: str, made: Pseudonyms) -> str:
        if not self._whole:
            return text
        parts: list[str] = []
        at = 0
        while at < len(text):
            lengths = self._lengths.get(text[at : at + LEAST_WHOLE], ())
            fitting = (text[at : at + length] for length in sorted(lengths, reverse=True))
            name = next((each for each in fitting if each in self._whole), None)
            parts.append(made.text(name) if name else text[at])
            at += len(name) if name else 1
        return "".join(parts)


def _kind_tags(item: Item) -> Iterator[str]:
    """Return the tags of an item that may say of which kind it is."""
    for key, value in item.attributes.items():
        if _says_kind(key):
            yield from _tags(value)


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
