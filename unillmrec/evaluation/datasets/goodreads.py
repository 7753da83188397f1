"""Goodreads (UCSD Book Graph): books with shelves, and the readers who shelved them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unillmrec.errors import EvaluationError
from unillmrec.evaluation.datasets.files import (
    LoadedDataset,
    find_file,
    get_id,
    join_texts,
    parse_date,
    parse_number,
    read_objects,
    read_table,
)
from unillmrec.items import Item, Value
from unillmrec.people.interactions import Interactions, InteractionsBuilder

_DATE_FORMAT = "%a %b %d %H:%M:%S %z %Y"
_AUTHORS = "goodreads_book_authors.json"
_AUTHOR_ROLES = ("", None, "Author")
MOST_AUTHORS = 4
MOST_SHELVES = 8
# The count of a shelf on which a single reader has put the book.
_ONE_READER = ("1", 1)
# Shelves that describe what a reader does with a book, not the book.
_PERSONAL_SHELVES = frozenset(
    {
        *("to-read", "currently-reading", "owned", "default", "favorites", "books-i-own"),
        *("ebook", "kindle", "library", "audiobook", "audiobooks", "to-buy", "wish-list"),
        *("did-not-finish", "dnf"),
    }
)


def load(folder: Path) -> LoadedDataset:
    """Read the interactions, and the books that occur in them.

    The CSV summary has no times, so the order of its rows is used. Books refer to authors by
    number: without the file of authors, they have no author names.
    """
    has_summary = bool(list(folder.glob("goodreads_interactions.csv*")))
    interactions = _read_summary(folder) if has_summary else _read_interactions(folder)
    shelved = set(interactions.items)
    authors = _author_names(folder) if list(folder.glob(f"{_AUTHORS}*")) else {}
    items: dict[str, Item] = {}
    for place, row in read_objects(find_file(folder, "goodreads_books*.json")):
        book = get_id(place, row, "book_id")
        if book in shelved and book not in items:
            items[book] = _book(book, row, authors)
    if not items:
        raise EvaluationError(f"{folder}: none of its books is in its interactions.")
    return LoadedDataset(tuple(items.values()), interactions)


def _read_interactions(folder: Path) -> Interactions:
    interactions = InteractionsBuilder()
    for place, row in read_objects(find_file(folder, "goodreads_interactions*.json")):
        person, book = get_id(place, row, "user_id"), get_id(place, row, "book_id")
        time = _seconds(place, row.get("read_at") or row.get("date_added"))
        interactions.add(person, book, time, _rating(place, row.get("rating", 0)))
    return interactions.finish()


def _read_summary(folder: Path) -> Interactions:
    pairs = read_table(find_file(folder, "book_id_map.csv"), ("book_id_csv", "book_id"))
    books = {row["book_id_csv"]: row["book_id"] for _, row in pairs}
    interactions = InteractionsBuilder()
    path = find_file(folder, "goodreads_interactions.csv")
    for place, row in read_table(path, ("user_id", "book_id", "rating")):
        if row["book_id"] not in books:
            raise EvaluationError(f"{place}: {row['book_id']!r} is not in book_id_map.csv.")
        rating = _rating(place, row["rating"])
        interactions.add(row["user_id"], books[row["book_id"]], None, rating)
    return interactions.finish()


def _rating(place: str, value: object) -> float | None:
    # 0 stands for a missing rating.
    return parse_number(place, value, "rating") or None


def _author_names(folder: Path) -> dict[str, str]:
    """Return the names of the authors by their ids."""
    rows = read_objects(find_file(folder, _AUTHORS))
    return {get_id(place, row, "author_id"): join_texts(row.get("name")) for place, row in rows}


def _authors_of(row: Mapping[str, Any], names: Mapping[str, str]) -> tuple[str, ...]:
    """Return the authors of a book; without authors, its other contributors."""
    contributors = _objects_in(row, "authors")
    authors = [each for each in contributors if each.get("role") in _AUTHOR_ROLES] or contributors
    author_names = (names.get(str(each.get("author_id")), "") for each in authors)
    return tuple(filter(None, dict.fromkeys(author_names)))[:MOST_AUTHORS]


def _book(book: str, row: Mapping[str, Any], names: Mapping[str, str]) -> Item:
    attributes: dict[str, Value] = {}
    if authors := _authors_of(row, names):
        attributes["authors"] = authors
    if shelves := _shelves_of(row):
        attributes["shelves"] = shelves
    year = join_texts(row.get("publication_year"))
    if year.isdecimal():
        attributes["year"] = int(year)
    title, description = (join_texts(row.get(name)) for name in ("title", "description"))
    return Item(book, title or book, description, (), attributes)


def _shelves_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    # A shelf of a single reader, on this book and on their history, would give this book away.
    shelves = _objects_in(row, "popular_shelves")
    names = [each.get("name") for each in shelves if each.get("count") not in _ONE_READER]
    described = [each for each in names if isinstance(each, str) and each not in _PERSONAL_SHELVES]
    return tuple(described[:MOST_SHELVES])


def _objects_in(row: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    values = row.get(name)
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _seconds(place: str, text: object) -> float | None:
    if not text:
        return None
    return parse_date(place, text, _DATE_FORMAT, "Wed Dec 07 12:00:00 -0800 2016").timestamp()
