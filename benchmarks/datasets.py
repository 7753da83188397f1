"""Data sets for the benchmarks: a folder each, with items and interactions."""

from __future__ import annotations

import csv
import gzip
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from unillmrec import Item, read_catalog

SEED = 42
# What was looked up so far: the files that the figures of this run come from.
FOUND: dict[str, Path] = {}


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A person whose last item is held out."""

    history: tuple[int, ...]
    target: int


@dataclass(frozen=True, slots=True)
class DataSet:
    """Items, and people whose histories are positions in the list of items."""

    name: str
    items: list[Item]
    people: list[HeldOut]


class MissingDataError(SystemExit):
    """A data set is not in the given folder."""


def find(data: Path, name: str, stem: str) -> Path:
    """Return the file of a data set, gzipped or not."""
    for suffix in ("", ".gz"):
        path = data / name / (stem + suffix)
        if path.exists():
            FOUND[f"{name}/{path.name}"] = path
            return path
    raise MissingDataError(
        f"The data set {name!r} is missing: no {stem}[.gz] in {data / name}. "
        "Name its parent folder with --data."
    )


def opened(path: Path) -> TextIO:
    """Open a text file, gzipped or not."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def load(data: Path, name: str, people: int = 0, least_rating: float = 0.0) -> DataSet:
    """Load a data set and a seeded sample of *people*, with their last items held out."""
    items = list(read_catalog(find(data, name, "items.jsonl")))
    if not people:
        return DataSet(name, items, [])
    places = {item.id: place for place, item in enumerate(items)}
    sequences: dict[str, list[tuple[float, int]]] = defaultdict(list)
    raw = find(data, name, "interactions.csv")
    with opened(raw) as file:
        for row in csv.DictReader(file):
            place = places.get(row["item_id"])
            if place is not None and float(row["rating"] or 5) >= least_rating:
                sequences[row["user_id"]].append((float(row["timestamp"] or 0), place))
    held_out = []
    for user in sorted(sequences):
        # Sorting is stable: equal times keep the order of the file.
        met = list(dict.fromkeys(place for _, place in sorted(sequences[user], key=_time)))
        if len(met) >= 3:
            held_out.append(HeldOut(tuple(met[:-1]), met[-1]))
    random.Random(SEED).shuffle(held_out)
    return DataSet(name, items, held_out[:people])


def _time(pair: tuple[float, int]) -> float:
    return pair[0]


# Where ratings are explicit, a low one is no sign of taste.
LEAST_RATING = {"ml-1m": 4.0, "ml-latest-small": 4.0, "ml-100k": 4.0}
WITH_PEOPLE = ("ml-1m", "amazon-beauty", "amazon-games", "amazon-industrial", "goodreads")


def load_with_people(data: Path, name: str, people: int) -> DataSet:
    """Load a data set with people, under its own rule of what counts as liked."""
    return load(data, name, people, LEAST_RATING.get(name, 0.0))
