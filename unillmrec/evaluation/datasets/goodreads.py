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
from unillmrec.items import Item, Value
from unillmrec.people.interactions import Interactions, InteractionsBuilder

_WRITTEN = "%a %b %d %H:%M:%S %z %Y"
_AUTHORS = "goodreads_book_authors.json"
_WRITING = ("", None, "Author")
MOST_AUTHORS = 4
MOST_SHELVES = 8
# How the set counts those shelves that one reader alone has put the book on.
_ONE = ("1", 1)
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

    The summary as CSV has no times: the order of its rows has to do. Books name their authors
    by number alone: without the file of authors beside them nobody's name is told.
    """
    summary = bool(list(folder.glob("goodreads_interactions.csv*")))
    met = _summary(folder) if summary else _detailed(folder)
    shelved = set(met.items)
    names = _names(folder) if list(folder.glob(f"{_AUTHORS}*")) else {}
    items: dict[str, Item] = {}
    for place, row in objects(find(folder, "goodreads_books*.json")):
        book = named(place, row, "book_id")
        if book in shelved and book not in items:
            items[book] = _book(book, row, names)
    if not items:
        raise EvaluationError(f"{folder}: none of its books is in its interactions.")
    return LoadedSet(tuple(items.values()), met)


def _detailed(folder: Path) -> Interactions:
    taken = InteractionsBuilder()
    for place, row in objects(find(folder, "goodreads_interactions*.json")):
        time = _seconds(place, row.get("read_at") or row.get("date_added"))
        rating = _rating(place, row.get("rating", 0))
        taken.add(named(place, row, "user_id"), named(place, row, "book_id"), time, rating)
    return taken.finish()


def _summary(folder: Path) -> Interactions:
    pairs = table(find(folder, "book_id_map.csv"), ("book_id_csv", "book_id"))
    books = {row["book_id_csv"]: row["book_id"] for _, row in pairs}
    taken = InteractionsBuilder()
    path = find(folder, "goodreads_interactions.csv")
    for place, row in table(path, ("user_id", "book_id", "rating")):
        if row["book_id"] not in books:
            raise EvaluationError(f"{place}: {row['book_id']!r} is not in book_id_map.csv.")
        taken.add(row["user_id"], books[row["book_id"]], None, _rating(place, row["rating"]))
    return taken.finish()


def _rating(place: str, value: object) -> float | None:
    # 0 is written where nobody rated.
    return number(place, value, "rating") or None


def _names(folder: Path) -> dict[str, str]:
    """Return what authors are called, by their numbers."""
    rows = objects(find(folder, _AUTHORS))
    return {named(place, row, "author_id"): words(row.get("name")) for place, row in rows}


def _written_by(row: Mapping[str, Any], names: Mapping[str, str]) -> tuple[str, ...]:
    """Return who wrote a book; only of one that nobody wrote, who else took part in it."""
    taking_part = _listed(row, "authors")
    writers = [each for each in taking_part if each.get("role") in _WRITING] or taking_part
    told = (names.get(str(each.get("author_id")), "") for each in writers)
    return tuple(filter(None, dict.fromkeys(told)))[:MOST_AUTHORS]


def _book(book: str, row: Mapping[str, Any], names: Mapping[str, str]) -> Item:
    attributes: dict[str, Value] = {}
    if authors := _written_by(row, names):
        attributes["authors"] = authors
    # A reader's own word, on this book and on what they met before, would give this one away.
    shared = [each for each in _listed(row, "popular_shelves") if each.get("count") not in _ONE]
    shelves = [each.get("name") for each in shared]
    told = [each for each in shelves if isinstance(each, str) and each not in _OWN]
    if told:
        attributes["shelves"] = tuple(told[:MOST_SHELVES])
    year = words(row.get("publication_year"))
    if year.isdecimal():
        attributes["year"] = int(year)
    return Item(
        book, words(row.get("title")) or book, words(row.get("description")), (), attributes
    )


def _listed(row: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = row.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _seconds(place: str, text: object) -> float | None:
    if not text:
        return None
    try:
        return datetime.strptime(str(text), _WRITTEN).timestamp()
    except ValueError as error:
        raise EvaluationError(
            f"{place}: {text!r} is no time such as Wed Dec 07 12:00:00 -0800 2016."
        ) from error
