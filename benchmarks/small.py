"""Every benchmark on small generated data, with sizes to match."""

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

from benchmarks import datasets, people, results

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
    """Stands in for a sentence encoder: counts letters."""

    def encode(self, texts: Sequence[str], **_: object) -> np.ndarray:
        """Return a row of length one for each text."""
        rows = [[text.lower().count(letter) for letter in ascii_lowercase] for text in texts]
        counts = np.array(rows, np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


USUAL = {"weighed": True, "largest": 200_000, "joined": True}
CUT = {"sample": 100, "shard": 60, "cell": 40}
ONE = {"SETS": ("ml-1m",), "PEOPLE": 3}
# What is set otherwise in each benchmark, by the name it has there.
SIZES: Mapping[str, Mapping[str, Any]] = {
    "baselines": {"SETS": ("ml-1m",), "PEOPLE": 10, "TUNED_ON": 5},
    "batch": {
        **{"THROUGHPUT": ((2, 4),), "PEOPLE": 6, "LEAST_MET": 5, "AT_ONCE": 2},
        **{"KILLS": 1, "LATENCY_SECONDS": 0.02, "LONGEST_SECONDS": 0.2},
    },
    "budgets": {"RUNS": 6, "ITEMS": 600},
    "ceiling": {"WITH_PEOPLE": ("ml-1m",), "PEOPLE": 3},
    "change": {
        **{"SIZE": 300, "SEEDS": (1, 2), "SEEDS_OF_PARTS": (), "PEOPLE": 2},
        **{"REAL": ("ml-1m",), "PEOPLED": ("ml-1m",)},
    },
    "change_scale": {"SIZES": (1_000,), "SINGLES": 2, "MANY": 20},
    "churn": {"SIZE": 400, "SEEDS": (1,), "PEOPLE": 2, "WAYS": {"each as it is": USUAL}},
    "crash": {"ITEMS": 300, "CHANGED": 40, "BATCH": 10, "KILLS": 2, "KINDS": ("sync",)},
    "descriptions": {"SETS": ("ml-1m",), "HIDDEN": 5},
    "encoder": {"SETS": ("ml-1m",), "PEOPLE": 30, "_encoder": lambda folder: LetterEncoder()},
    "evaluation": {"SETS": ("ml-1m",), "PEOPLE": 5},
    "fidelity": {"SIZES": (1_000,), "PEOPLE": {1_000: 1}, "SAMPLED_LINES": 200},
    "fields": {"WITH_PEOPLE": ("ml-1m",), "PEOPLE": 5},
    "fuzz": {"REPLIES": 200, "HUGE": 1},
    "history": {"WITH_PEOPLE": ("ml-1m",), "PEOPLE": 5},
    "interests": {**ONE, "SIZES": (1_000,)},
    "ledger": {"RUNS": 3},
    "letters": {"TASTES": ((1.0, 0.5),), "MODELS": 2, "LISTS": 1},
    "planning": {"SETS": ("ml-1m",), "PEOPLE": 6, "DESCRIBED": 2},
    "position": ONE,
    "prefixes": {"SETS": {"ml-1m": 5}},
    "replay": {"PEOPLE": 3},
    "scale": {
        **{"SIZES": (500,), "VECTORS": 500, "MANY_VECTORS": 1_000},
        **{"PEOPLE": 2, "STARTS": 1},
    },
    "sharded": {
        **{"LARGE": "ml-1m", "WITH_PEOPLE": "ml-1m", "QUERIES": 3, "PEOPLE": 3, "SEEDS": (0,)},
        **{"CUT": CUT, "SMALL": CUT, "KILLS": ("top",), "SAMPLE_SECONDS": 0.01},
        # Ray takes longer to start than all else here together.
        "_ray": lambda: None,
    },
    "speed": {"SETS": ("ml-1m",), "REPEATS": 1},
    "titles": {},
    "tokens": {
        "CATALOGS": (SimpleNamespace(label="400 made up", source="synthetic", size=400),),
        "PEOPLE": 2,
    },
    "sentences": {
        "SENTENCES": {
            "ml-1m": [
                {"sentence": "a whale, a captain and a storm", "where": "'sea' in categories"},
                {"sentence": "a rocket to a comet", "where": "'space' in categories"},
            ]
        }
    },
    "transcripts": {
        "HISTORIES": (("ml-1m", 3),),
        "SENTENCES": (("ml-1m", "a whale and an anchor"),),
    },
    "variety": {"WITH_PEOPLE": ("ml-1m",), "PEOPLE": 3},
}


def write_sets(folder: Path, names: tuple[str, ...] = SETS) -> None:
    """Write data sets of a few topics, and people who each like one of them."""
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
    """Set a benchmark to its small sizes; yield its data and the path of its result."""
    module = import_module(f"benchmarks.{name}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_sets(folder / "data")
        stack.enter_context(patch.object(results, "FOLDER", folder / "results"))
        stack.enter_context(patch.object(datasets, "FOUND", {}))
        # There are too few people to leave any out.
        stack.enter_context(patch.object(people, "EXAMINED", ()))
        stack.enter_context(patch.object(sys, "argv", ["benchmarks", "run", name, "--small"]))
        for constant, value in SIZES.get(name, {}).items():
            stack.enter_context(patch.object(module, constant, value))
        yield folder / "data", folder / "results" / f"{name}.json"
