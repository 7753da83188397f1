"""Goodreads, as the UCSD Book Graph has it: books with their shelves, and who put them there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from unillmrec.errors import EvaluationError
from unillmrec.evaluation.datasets.files import (
    LoadedSet,
    find,
    named,
    number,
    objects,
    table,
    words,
)
from unillmrec.evaluation.interactions import InteractionRows, Interactions
from unillmrec.items import Item, Value

_WRITTEN = "%a %b %d %H:%M:%S %z %Y"
MOST_SHELVES = 8
# Shelves that say what somebody does with a book, and nothing about it.
_OWN = frozenset(
    {
        *("to-read", "currently-reading", "owned", "default", "favorites", "books-i-own"),
        *("ebook", "kindle", "library", "audiobook", "audiobooks", "to-buy", "wish-list"),
        *("did-not-finish", "dnf"),
    }
)


def load(folder: Path) -> LoadedSet:
    """Read the interactions, and those books that somebody put on a shelf in them.

    The summary as CSV has no times: the order of its rows has to do.
    """
    summary = bool(list(folder.glob("goodreads_interactions.csv*")))
    met = _summary(folder) if summary else _detailed(folder)
    shelved = set(met.items)
    items: dict[str, Item] = {}
    for place, row in objects(find(folder, "goodreads_books*.json")):
        book = named(place, row, "book_id")
        if book in shelved and book not in items:
            items[book] = _book(book, row)
    if not items:
        raise EvaluationError(f"{folder}: none of its books is in its interactions.")
    return LoadedSet(tuple(items.values()), met)


def _detailed(folder: Path) -> Interactions:
    taken = InteractionRows()
    for place, row in objects(find(folder, "goodreads_interactions*.json")):
        time = _seconds(place, row.get("read_at") or row.get("date_added"))
        rating = _rating(place, row.get("rating", 0))
        taken.add(named(place, row, "user_id"), named(place, row, "book_id"), time, rating)
    return taken.finish()


def _summary(folder: Path) -> Interactions:
    pairs = table(find(folder, "book_id_map.csv"), ("book_id_csv", "book_id"))
    books = {row["book_id_csv"]: row["book_id"] for _, row in pairs}
    taken = InteractionRows()
    path = find(folder, "goodreads_interactions.csv")
    for place, row in table(path, ("user_id", "book_id", "rating")):
        if row["book_id"] not in books:
            raise EvaluationError(f"{place}: {row['book_id']!r} is not in book_id_map.csv.")
        taken.add(row["user_id"], books[row["book_id"]], None, _rating(place, row["rating"]))
    return taken.finish()


def _rating(place: str, value: object) -> float | None:
    # 0 is written where nobody rated.
    return number(place, value, "rating") or None


def _book(book: str, row: Mapping[str, Any]) -> Item:
    attributes: dict[str, Value] = {}
    shelves = [
        each.get("name") for each in row.get("popular_shelves") or () if isinstance(each, dict)
    ]
    told = [each for each in shelves if isinstance(each, str) and each not in _OWN]
    if told:
        attributes["shelves"] = tuple(told[:MOST_SHELVES])
    year = words(row.get("publication_year"))
    if year.isdecimal():
        attributes["year"] = int(year)
    return Item(
        book, words(row.get("title")) or book, words(row.get("description")), (), attributes
    )


def _seconds(place: str, text: object) -> float | None:
    if not text:
        return None
    try:
        return datetime.strptime(str(text), _WRITTEN).timestamp()
    except ValueError as error:
        raise EvaluationError(
            f"{place}: {text!r} is no time such as Wed Dec 07 12:00:00 -0800 2016."
        ) from error
