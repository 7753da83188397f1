"""Amazon reviews in their three editions: what is sold, and who reviewed it when."""

from __future__ import annotations

import ast
import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unillmrec.errors import EvaluationError
from unillmrec.evaluation.datasets.files import LoadedSet, find, named, number, objects, words
from unillmrec.items import Item, Value
from unillmrec.people.interactions import Interactions, InteractionsBuilder


@dataclass(frozen=True, slots=True)
class _Edition:
    """What the fields are called; *unit* is what a time is counted in, in seconds."""

    item: str
    person: str
    rating: str
    time: str
    categories: str
    brand: str
    ending: str
    unit: float = 1.0


_2014 = _Edition("asin", "reviewerID", "overall", "unixReviewTime", "categories", "brand", ".json")
_2018 = _Edition("asin", "reviewerID", "overall", "unixReviewTime", "category", "brand", ".json")
_2023 = _Edition(
    "parent_asin", "user_id", "rating", "timestamp", "categories", "store", ".jsonl", 0.001
)


def _loose(line: str) -> Any:
    """Read an object as JSON, or as the Python literal that the 2014 edition has in its place."""
    try:
        return json.loads(line)
    except ValueError:
        return ast.literal_eval(line)


def load_2014(folder: Path) -> LoadedSet:
    """Read the edition of 2014."""
    return _load(folder, _2014, _loose)


def load_2018(folder: Path) -> LoadedSet:
    """Read the edition of 2018."""
    return _load(folder, _2018, json.loads)


def load_2023(folder: Path) -> LoadedSet:
    """Read the edition of 2023."""
    return _load(folder, _2023, json.loads)


def _load(folder: Path, edition: _Edition, read: Callable[[str], Any]) -> LoadedSet:
    """Read reviews, and those products of the metadata that were reviewed in them."""
    meta = find(folder, f"meta_*{edition.ending}")
    met = _reviews(_reviews_in(folder, meta, edition), edition, read)
    reviewed = set(met.items)
    items: dict[str, Item] = {}
    for place, row in objects(meta, read):
        item_id = named(place, row, edition.item)
        title = html.unescape(words(row.get("title")))
        # Some editions list a product twice; one without a title tells a model nothing, and one
        # with a script in its place less than that.
        if title and "getTime" not in title and item_id in reviewed and item_id not in items:
            items[item_id] = _product(item_id, title, row, edition)
    if not items:
        raise EvaluationError(f"{meta.name}: none of its products is reviewed in {folder}.")
    return LoadedSet(tuple(items.values()), met)


def _reviews_in(folder: Path, meta: Path, edition: _Edition) -> Path:
    names = {path.name for end in ("", ".gz") for path in folder.glob(f"*{edition.ending}{end}")}
    names.discard(meta.name)
    if len(names) != 1:
        what = "no file" if not names else "several files"
        raise EvaluationError(
            f"{folder} holds {what} of reviews beside {meta.name}.",
            detail=", ".join(sorted(names)[:4]),
            remedy=f"a folder with one of them, *{edition.ending} or *{edition.ending}.gz.",
        )
    return folder / names.pop()


def _reviews(path: Path, edition: _Edition, read: Callable[[str], Any]) -> Interactions:
    taken = InteractionsBuilder()
    for place, row in objects(path, read):
        person, item = named(place, row, edition.person), named(place, row, edition.item)
        time = number(place, row.get(edition.time), "time") * edition.unit
        taken.add(person, item, time, number(place, row.get(edition.rating), "rating"))
    return taken.finish()


def _product(item_id: str, title: str, row: Mapping[str, Any], edition: _Edition) -> Item:
    attributes: dict[str, Value] = {}
    if brand := words(row.get(edition.brand)):
        attributes["brand"] = brand
    # The edition of 2018 has "feature", that of 2023 "features".
    text = words([row.get(name) for name in ("description", "feature", "features")])
    return Item(item_id, title, html.unescape(text), _path(row.get(edition.categories)), attributes)


def _path(categories: object) -> tuple[str, ...]:
    """Return a category path; the edition of 2014 has a list of them, of which the first counts."""
    if not isinstance(categories, list):
        return ()
    if categories and isinstance(categories[0], list):
        categories = categories[0]
    return tuple(html.unescape(each) for each in categories if isinstance(each, str) and each)
