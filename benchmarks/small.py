"""Every benchmark in small: made-up sets in the layout of the real ones, and sizes to match.

What comes of it says that a benchmark runs, and nothing else: it is written nowhere.
"""

from __future__ import annotations

import csv
import json
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from string import ascii_lowercase
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks import datasets, results

SETS = (
    *("ml-1m", "amazon-beauty", "amazon-games", "amazon-industrial", "goodreads"),
    *("mind-sample", "netflix-titles", "steam-games", "goodbooks-10k", "catalog-mixed"),
)
ITEMS = 240
PEOPLE = 30
MET = 8
TOPICS = {
    "sea": "harbour whale captain storm island anchor lighthouse tide sailor reef",
    "space": "orbit comet rocket galaxy telescope eclipse probe nebula lander crater",
    "kitchen": "bread butter recipe oven spice pepper flour soup kettle onion",
    "crime": "detective alibi poison clue burglar inspector jury motive witness heist",
}
SEED = 5


class LetterEncoder:
    """Stands for a sentence encoder, where only the way is to be seen: counts letters."""

    def encode(self, texts: Sequence[str], **_: object) -> np.ndarray:
        """Return a row of length one for each text."""
        rows = [[text.lower().count(letter) for letter in ascii_lowercase] for text in texts]
        counts = np.array(rows, np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


ONE = {"SETS": ("ml-1m",), "PEOPLE": 3}
# These measure processes of their own, which have their sizes from the files themselves.
NOT_SMALL = frozenset({"batch", "churn", "crash", "scale", "sharded"})
# What is set otherwise in each benchmark, by the name it has there.
SIZES: Mapping[str, Mapping[str, Any]] = {
    "baselines": {"SETS": ("ml-1m",), "PEOPLE": 10, "TUNED_ON": 5},
    "budgets": {"RUNS": 6, "ITEMS": 2_000},
    "ceiling": {"WITH_PEOPLE": ("ml-1m",), "PEOPLE": 3},
    "change": {"SIZE": 3_000, "SHARES": (0.2,), "PEOPLE": 3},
    "change_scale": {"SIZES": (3_000,), "SINGLES": 2, "MANY": 20},
    "descriptions": {"SETS": ("ml-1m",), "HIDDEN": 5},
    "encoder": {"SETS": ("ml-1m",), "PEOPLE": 5, "_encoder": lambda folder: LetterEncoder()},
    "evaluation": {"SETS": ("ml-1m",), "PEOPLE": 5},
    "fidelity": {"SIZES": (3_000,), "PEOPLE": {3_000: 1}},
    "fields": {"WITH_PEOPLE": ("ml-1m",), "PEOPLE": 5},
    "fuzz": {"REPLIES": 200, "HUGE": 1},
    "history": {"WITH_PEOPLE": ("ml-1m",), "PEOPLE": 5},
    "interests": {**ONE, "SIZES": (3_000,)},
    "ledger": {"RUNS": 3},
    "letters": {"TASTES": ((1.0, 0.5),), "MODELS": 2, "LISTS": 1},
    "planning": {"SETS": ("ml-1m",), "PEOPLE": 7, "DESCRIBED": 2},
    "position": ONE,
    "prefixes": {"SETS": {"ml-1m": 5}},
    "replay": {"PEOPLE": 3},
    "speed": {"SETS": ("ml-1m",), "REPEATS": 1},
    "titles": {},
    "tokens": {
        "CATALOGS": (SimpleNamespace(told="400 made up", source="synthetic", size=400),),
        "PEOPLE": 2,
    },
    "transcripts": {
        "HISTORIES": (("ml-1m", 3),),
        "SENTENCES": (("ml-1m", "a whale and an anchor"),),
    },
    "variety": {"WITH_PEOPLE": ("ml-1m",), "PEOPLE": 3},
}


def write_sets(folder: Path, names: tuple[str, ...] = SETS) -> None:
    """Write sets of items of a few topics, and people who each like one of them."""
    chance = random.Random(SEED)
    for name in names:
        (folder / name).mkdir(parents=True)
        with (folder / name / "items.jsonl").open("w", encoding="utf-8") as file:
            for number in range(ITEMS):
                file.write(json.dumps(_item(number, chance)) + "\n")
        with (folder / name / "interactions.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["user_id", "item_id", "timestamp", "rating"])
            for person in range(PEOPLE):
                liked = range(person % len(TOPICS), ITEMS, len(TOPICS))
                for day, number in enumerate(chance.sample(liked, MET)):
                    writer.writerow([f"p{person}", f"i{number}", 86_400 * day, 5])


def _item(number: int, chance: random.Random) -> dict[str, Any]:
    topic = list(TOPICS)[number % len(TOPICS)]
    words = chance.sample(TOPICS[topic].split(), 4)
    return {
        "id": f"i{number}",
        "title": f"The {words[0]} and the {words[1]} {number}",
        "description": f"A tale of {words[2]} and {words[3]}, {topic} and {words[0]}.",
        "categories": [topic, words[0]],
        "year": 1950 + number % 70,
    }


@contextmanager
def in_small(name: str) -> Iterator[tuple[Path, Path]]:
    """Set a benchmark to its small sizes; give its data, and where its result will be."""
    if name in NOT_SMALL:
        raise SystemExit(f"{name} cannot be run in small: it measures processes of its own.")
    module = import_module(f"benchmarks.{name}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_sets(folder / "data")
        stack.enter_context(patch.object(results, "FOLDER", folder / "results"))
        stack.enter_context(patch.object(datasets, "FOUND", {}))
        stack.enter_context(patch.object(sys, "argv", ["benchmarks", "run", name, "--small"]))
        for constant, value in SIZES.get(name, {}).items():
            stack.enter_context(patch.object(module, constant, value))
        yield folder / "data", folder / "results" / f"{name}.json"
