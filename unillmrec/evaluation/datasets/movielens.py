"""MovieLens: 100K with pipes and tabs, 1M with double colons, all later ones as CSV.

The tags of the later ones are left alone: whoever tags a film has met it, and a word of their
own on what is held out of them and on what they met before would give it away.
"""

from __future__ import annotations

import re
from pathlib import Path

from unillmrec.evaluation.datasets.files import LoadedSet, fields, find, lines, number, table
from unillmrec.items import Item, Value
from unillmrec.people.interactions import Interactions, InteractionsBuilder

_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
_NO_GENRES = "(no genres listed)"
_FIRST_GENRE = 5


def load_100k(folder: Path) -> LoadedSet:
    """Read `u.item`, whose genres are flags in the order of `u.genre`, and `u.data`."""
    genres = [line.partition("|")[0] for _, line in lines(find(folder, "u.genre"), "latin-1")]
    items = []
    for place, line in lines(find(folder, "u.item"), "latin-1"):
        row = fields(place, line, "|", _FIRST_GENRE + len(genres))
        flags = row[_FIRST_GENRE : _FIRST_GENRE + len(genres)]
        liked = [genre for genre, flag in zip(genres, flags, strict=True) if flag == "1"]
        items.append(_film(row[0], row[1], liked))
    return LoadedSet(tuple(items), _ratings(find(folder, "u.data"), "\t"))


def load_1m(folder: Path) -> LoadedSet:
    """Read `movies.dat` and `ratings.dat`."""
    items = []
    for place, line in lines(find(folder, "movies.dat"), "latin-1"):
        film, title, genres = fields(place, line, "::", 3)[:3]
        items.append(_film(film, title, genres.split("|")))
    return LoadedSet(tuple(items), _ratings(find(folder, "ratings.dat"), "::"))


def load_latest(folder: Path) -> LoadedSet:
    """Read `movies.csv` and `ratings.csv`, and not `tags.csv`."""
    items = [
        _film(row["movieId"], row["title"], row["genres"].split("|"))
        for _, row in table(find(folder, "movies.csv"), ("movieId", "title", "genres"))
    ]
    taken = InteractionsBuilder()
    path = find(folder, "ratings.csv")
    for place, row in table(path, ("userId", "movieId", "rating", "timestamp")):
        time = number(place, row["timestamp"], "time")
        taken.add(row["userId"], row["movieId"], time, number(place, row["rating"], "rating"))
    return LoadedSet(tuple(items), taken.finish())


def _ratings(path: Path, separator: str) -> Interactions:
    taken = InteractionsBuilder()
    for place, line in lines(path, "latin-1"):
        person, item, rating, time = fields(place, line, separator, 4)[:4]
        taken.add(person, item, number(place, time, "time"), number(place, rating, "rating"))
    return taken.finish()


def _film(film: str, title: str, genres: list[str]) -> Item:
    """Return a film; its year is told at the end of its title."""
    attributes: dict[str, Value] = {}
    if found := _YEAR.search(title):
        attributes["year"] = int(found[1])
    if kept := tuple(genre for genre in genres if genre and genre != _NO_GENRES):
        attributes["genres"] = kept
    return Item(film, _YEAR.sub("", title) or film, "", (), attributes)
