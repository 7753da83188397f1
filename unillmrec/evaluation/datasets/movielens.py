"""MovieLens: 100K with pipes and tabs, 1M with double colons, later sets as CSV.

The tags of the later sets are not read. People tag films they have seen, in words of their own:
the same word on a held-out film and on their history would give the held-out film away.
"""

from __future__ import annotations

import re
from pathlib import Path

from unillmrec.evaluation.datasets.files import (
    LoadedDataset,
    find_file,
    parse_number,
    read_lines,
    read_table,
    split_fields,
)
from unillmrec.items import Item, Value
from unillmrec.people.interactions import Interactions, InteractionsBuilder

_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")
_NO_GENRES = "(no genres listed)"
_FIRST_GENRE = 5


def load_100k(folder: Path) -> LoadedDataset:
    """Read `u.item`, whose genres are flags in the order of `u.genre`, and `u.data`."""
    genre_lines = read_lines(find_file(folder, "u.genre"), "latin-1")
    genres = [line.partition("|")[0] for _, line in genre_lines]
    items = []
    for place, line in read_lines(find_file(folder, "u.item"), "latin-1"):
        row = split_fields(place, line, "|", _FIRST_GENRE + len(genres))
        flags = row[_FIRST_GENRE : _FIRST_GENRE + len(genres)]
        film_genres = [genre for genre, flag in zip(genres, flags, strict=True) if flag == "1"]
        items.append(_film(row[0], row[1], film_genres))
    return LoadedDataset(tuple(items), _read_ratings(find_file(folder, "u.data"), "\t"))


def load_1m(folder: Path) -> LoadedDataset:
    """Read `movies.dat` and `ratings.dat`."""
    items = []
    for place, line in read_lines(find_file(folder, "movies.dat"), "latin-1"):
        film, title, genres = split_fields(place, line, "::", 3)[:3]
        items.append(_film(film, title, genres.split("|")))
    return LoadedDataset(tuple(items), _read_ratings(find_file(folder, "ratings.dat"), "::"))


def load_latest(folder: Path) -> LoadedDataset:
    """Read `movies.csv` and `ratings.csv`, but not `tags.csv`."""
    items = [
        _film(row["movieId"], row["title"], row["genres"].split("|"))
        for _, row in read_table(find_file(folder, "movies.csv"), ("movieId", "title", "genres"))
    ]
    interactions = InteractionsBuilder()
    path = find_file(folder, "ratings.csv")
    for place, row in read_table(path, ("userId", "movieId", "rating", "timestamp")):
        time = parse_number(place, row["timestamp"], "time")
        rating = parse_number(place, row["rating"], "rating")
        interactions.add(row["userId"], row["movieId"], time, rating)
    return LoadedDataset(tuple(items), interactions.finish())


def _read_ratings(path: Path, separator: str) -> Interactions:
    interactions = InteractionsBuilder()
    for place, line in read_lines(path, "latin-1"):
        person, item, rating, time = split_fields(place, line, separator, 4)[:4]
        interactions.add(
            person, item, parse_number(place, time, "time"), parse_number(place, rating, "rating")
        )
    return interactions.finish()


def _film(film: str, title: str, genres: list[str]) -> Item:
    """Return a film; the year at the end of its title becomes an attribute."""
    attributes: dict[str, Value] = {}
    if year := _YEAR.search(title):
        attributes["year"] = int(year[1])
    if known := tuple(genre for genre in genres if genre and genre != _NO_GENRES):
        attributes["genres"] = known
    return Item(film, _YEAR.sub("", title) or film, "", (), attributes)
