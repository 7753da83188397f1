"""A generated catalog of any size with a planted hierarchy of topics, and people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from unillmrec import Item

Integers = NDArray[np.int64]

CHUNK = 20_000
# How many topics there are on each level, below these sizes.
LEVELS = {
    1_000: (6, 4, 3),
    10_000: (12, 8, 6),
    100_000: (20, 12, 10),
    1_000_000: (24, 16, 16),
}
WORDS = 48_000
BRANDS = 6_000
# The most usual words belong to no topic, like "with" and "set" in a shop.
USUAL = 500
# On each level: how many words a topic has of its own, and how many of them a title takes.
TOPIC_WORDS = (40, 20, 10)
TAKEN = (2, 2, 2)
LENGTHS = (8, 15)
# The share of topic words that come from some other topic, and of titles with a model number.
NOISE = 0.1
NUMBERED = 0.6
# How far the levels of dense centres reach, and how far an item lies from its centre.
REACH = (1.0, 0.8, 0.6)
SCATTER = 1.5
DIMENSIONS = 128
HISTORY = 6
# People like topics in which there is something left to find.
LEAST_IN_TOPIC = 20


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a few items (by number, oldest first) of one or two fine topics."""

    history: tuple[int, ...]
    topics: frozenset[int]


class SyntheticCatalog:
    """*size* items under three levels of topics; the same *seed* gives the same items."""

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self.seed = seed
        fitting = [levels for bound, levels in LEVELS.items() if size <= bound]
        self.levels = fitting[0] if fitting else LEVELS[1_000_000]
        generator = np.random.default_rng((seed, size))
        counts = np.cumprod(self.levels)
        popularity = generator.lognormal(sigma=1.0, size=int(counts[-1]))
        self._up_to = np.cumsum(popularity) / popularity.sum()
        self._words = _made_up_words(generator)
        self._own = [
            generator.integers(USUAL, WORDS, size=(int(count), own))
            for count, own in zip(counts, TOPIC_WORDS, strict=True)
        ]
        self._price = generator.normal(3.0, 1.0, size=int(counts[1]))

    def items(self) -> Iterator[Item]:
        """Yield the items."""
        for chunk, first in enumerate(range(0, self.size, CHUNK)):
            generator, topics = self._begun(chunk)
            brands = self._brands(generator, topics)
            titles = self._titles(generator, topics, brands)
            dearness = self._price[topics // self.levels[2]]
            prices = np.exp(generator.normal(dearness, 0.4)).round(2).tolist()
            stocks = (generator.geometric(0.05, len(topics)) - 1).tolist()
            for place, (title, brand) in enumerate(zip(titles, brands, strict=True)):
                attributes = {"brand": brand, "price": prices[place], "stock": stocks[place]}
                yield Item(item_id(first + place), title, "", (), attributes)

    def topics(self) -> Integers:
        """Return the fine topic of each item, which a tree should recover."""
        chunks = range(-(-self.size // CHUNK))
        return np.concatenate([self._begun(chunk)[1] for chunk in chunks])

    def people(self, count: int) -> list[Person]:
        """Yield people, alternately of one and of two fine topics."""
        generator = np.random.default_rng((self.seed, self.size, 1 << 30))
        topics = self.topics()
        order = np.argsort(topics, kind="stable")
        sizes = np.bincount(topics, minlength=len(self._up_to))
        starts = np.cumsum(sizes) - sizes
        rich = np.flatnonzero(sizes >= LEAST_IN_TOPIC)
        people = []
        for number in range(count):
            liked = generator.choice(rich, 1 + number % 2, replace=False)
            met = [
                order[starts[topic] + generator.choice(sizes[topic], HISTORY, replace=False)]
                for topic in liked
            ]
            # By turns, so that the newest item, which counts most, stands for one topic only once.
            history = np.stack(met, axis=1).ravel()[-HISTORY:]
            people.append(Person(tuple(history.tolist()), frozenset(liked.tolist())))
        return people

    def write_catalog(self, path: Path) -> None:
        """Write the items as JSON Lines."""
        with path.open("w", encoding="utf-8") as file:
            for item in self.items():
                row = {"id": item.id, "title": item.title, **item.attributes}
                file.write(json.dumps(row) + "\n")

    def write_vectors(
        self, path: Path, dimensions: int = DIMENSIONS, kind: type[np.floating] = np.float32
    ) -> None:
        """Write a vector per item, its topic's centre with noise, as a `.npy` file."""
        generator = np.random.default_rng((self.seed, self.size, dimensions))
        centres = np.zeros((1, dimensions), np.float32)
        for fan_out, reach in zip(self.levels, REACH, strict=True):
            steps = generator.standard_normal((len(centres) * fan_out, dimensions), np.float32)
            centres = np.repeat(centres, fan_out, axis=0) + reach * steps
        rows = np.lib.format.open_memmap(path, "w+", kind, (self.size, dimensions))
        topics = self.topics()
        for first in range(0, self.size, CHUNK):
            part = topics[first : first + CHUNK]
            noise = generator.standard_normal((len(part), dimensions), np.float32)
            rows[first : first + CHUNK] = centres[part] + SCATTER * noise
        rows.flush()

    def _begun(self, chunk: int) -> tuple[np.random.Generator, Integers]:
        """Return the random state of a chunk, and its items' topics, which are drawn first."""
        generator = np.random.default_rng((self.seed, self.size, 0, chunk))
        drawn = generator.random(min(CHUNK, self.size - chunk * CHUNK))
        # Rounding may leave the last sum below one.
        return generator, np.searchsorted(self._up_to[:-1], drawn, side="right")

    def _titles(
        self, generator: np.random.Generator, topics: Integers, brands: list[str]
    ) -> list[str]:
        """Return titles: topic words, common words, sometimes a model number of the brand."""
        count = len(topics)
        columns = []
        for level in range(len(TAKEN)):
            columns += self._topic_words(generator, topics, level)
        longest = LENGTHS[1] - len(columns)
        usual = _zipf(generator, WORDS, count * longest).reshape(count, longest)
        words = self._words[np.column_stack([*columns, usual])].tolist()
        lengths = generator.integers(LENGTHS[0], LENGTHS[1] + 1, count).tolist()
        numbers = generator.integers(1_000, 10_000, count).tolist()
        numbered = (generator.random(count) < NUMBERED).tolist()
        titles = []
        for place, (row, length) in enumerate(zip(words, lengths, strict=True)):
            if numbered[place]:
                row[length - 1] = f"{_series(brands[place])}{numbers[place]}"
            titles.append(" ".join(row[:length]))
        return titles

    def _brands(self, generator: np.random.Generator, topics: Integers) -> list[str]:
        """Return a brand for each item; a brand stays within one coarse topic."""
        each = BRANDS // self.levels[0]
        coarse = topics // (self.levels[1] * self.levels[2])
        chosen = WORDS + coarse * each + _zipf(generator, each, len(topics))
        return [str(brand) for brand in self._words[chosen]]

    def _topic_words(
        self, generator: np.random.Generator, topics: Integers, level: int
    ) -> list[Integers]:
        """Return distinct words for a title from one level of topics."""
        kept = np.log(1 / np.arange(1, TOPIC_WORDS[level] + 1))
        keys = kept + generator.gumbel(size=(len(topics), TOPIC_WORDS[level]))
        ranks = np.argsort(-keys, axis=1)[:, : TAKEN[level]].T
        below = int(np.prod(self.levels[level + 1 :]))
        words = []
        for rank in ranks:
            strays = generator.random(len(topics)) < NOISE
            meant = np.where(strays, generator.permutation(topics), topics)
            words.append(self._own[level][meant // below, rank])
        return words


def item_id(number: int) -> str:
    """Return the id of the item with this number."""
    return f"i{number:07d}"


def _zipf(generator: np.random.Generator, ranks: int, count: int) -> Integers:
    """Draw ranks from a Zipf distribution."""
    up_to = np.cumsum(1 / np.arange(1, ranks + 1))
    return np.searchsorted(up_to[:-1] / up_to[-1], generator.random(count), side="right")


def _made_up_words(generator: np.random.Generator) -> NDArray[np.object_]:
    """Return distinct words of two and three syllables, then brands of three."""
    codas = ("", "k", "l", "m", "n", "r", "s", "t")
    syllables = [a + b + c for a in "bcdfghjklmnprstvwyz" for b in "aeiou" for c in codas]
    count = len(syllables)
    short = generator.choice(count**2, WORDS // 2, replace=False)
    long = generator.choice(count**3, WORDS - WORDS // 2 + BRANDS, replace=False)
    spelled = np.array(syllables, dtype=object)
    begun = spelled[short // count] + spelled[short % count]
    drawn = spelled[long // count**2] + spelled[long // count % count] + spelled[long % count]
    usual, brands = drawn[:-BRANDS], drawn[-BRANDS:]
    words = generator.permutation(np.concatenate([begun, usual]))
    return np.concatenate([words, [brand.capitalize() for brand in brands]])


def _series(brand: str) -> str:
    """Return the two letters with which a brand's model numbers begin."""
    return brand[0] + ascii_uppercase[len(brand) + ord(brand[-1]) % 16]
