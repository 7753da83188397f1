"""Amazon reviews in their three editions: products, and who reviewed them when."""

from __future__ import annotations

import ast
import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unillmrec.errors import EvaluationError
from unillmrec.evaluation.datasets.files import (
    LoadedDataset,
    find_file,
    get_id,
    join_texts,
    parse_number,
    read_objects,
)
from unillmrec.items import Item, Value
from unillmrec.people.interactions import Interactions, InteractionsBuilder


@dataclass(frozen=True, slots=True)
class _Edition:
    """The field names of an edition; *time_unit* is in seconds."""

    item: str
    person: str
    rating: str
    time: str
    categories: str
    brand: str
    suffix: str
    time_unit: float = 1.0


_2014 = _Edition("asin", "reviewerID", "overall", "unixReviewTime", "categories", "brand", ".json")
_2018 = _Edition("asin", "reviewerID", "overall", "unixReviewTime", "category", "brand", ".json")
_2023 = _Edition(
    "parent_asin", "user_id", "rating", "timestamp", "categories", "store", ".jsonl", 0.001
)


def _parse_json_or_literal(line: str) -> Any:
    """Read an object as JSON or as a Python literal, which the 2014 edition uses instead."""
    try:
        return json.loads(line)
    except ValueError:
        return ast.literal_eval(line)


def load_2014(folder: Path) -> LoadedDataset:
    """Read the edition of 2014."""
    return _load(folder, _2014, _parse_json_or_literal)


def load_2018(folder: Path) -> LoadedDataset:
    """Read the edition of 2018."""
    return _load(folder, _2018, json.loads)


def load_2023(folder: Path) -> LoadedDataset:
    """Read the edition of 2023."""
    return _load(folder, _2023, json.loads)


def _load(folder: Path, edition: _Edition, parse: Callable[[str], Any]) -> LoadedDataset:
    """Read the reviews, and the products that they review."""
    metadata = find_file(folder, f"meta_*{edition.suffix}")
    reviews = _read_reviews(_find_reviews(folder, metadata, edition), edition, parse)
    reviewed = set(reviews.items)
    items: dict[str, Item] = {}
    for place, row in read_objects(metadata, parse):
        item_id = get_id(place, row, edition.item)
        title = html.unescape(join_texts(row.get("title")))
        # Some editions list a product twice. Products without a title are useless to a model,
        # and some have a script ("getTime") in its place.
        if title and "getTime" not in title and item_id in reviewed and item_id not in items:
            items[item_id] = _product(item_id, title, row, edition)
    if not items:
        raise EvaluationError(f"{metadata.name}: none of its products is reviewed in {folder}.")
    return LoadedDataset(tuple(items.values()), reviews)


def _find_reviews(folder: Path, metadata: Path, edition: _Edition) -> Path:
    names = {path.name for end in ("", ".gz") for path in folder.glob(f"*{edition.suffix}{end}")}
    names.discard(metadata.name)
    if len(names) != 1:
        count = "no file" if not names else "several files"
        raise EvaluationError(
            f"{folder} contains {count} of reviews beside {metadata.name}.",
            detail=", ".join(sorted(names)[:4]),
            remedy=f"a folder with one of them, *{edition.suffix} or *{edition.suffix}.gz.",
        )
    return folder / names.pop()


def _read_reviews(path: Path, edition: _Edition, parse: Callable[[str], Any]) -> Interactions:
    interactions = InteractionsBuilder()
    for place, row in read_objects(path, parse):
        person, item = get_id(place, row, edition.person), get_id(place, row, edition.item)
        time = parse_number(place, row.get(edition.time), "time") * edition.time_unit
        rating = parse_number(place, row.get(edition.rating), "rating")
        interactions.add(person, item, time, rating)
    return interactions.finish()


def _product(item_id: str, title: str, row: Mapping[str, Any], edition: _Edition) -> Item:
    attributes: dict[str, Value] = {}
    if brand := join_texts(row.get(edition.brand)):
        attributes["brand"] = brand
    # The field is called "feature" in the edition of 2018, "features" in that of 2023.
    text = join_texts([row.get(name) for name in ("description", "feature", "features")])
    path = _category_path(row.get(edition.categories))
    return Item(item_id, title, html.unescape(text), path, attributes)


def _category_path(categories: object) -> tuple[str, ...]:
    """Return the category path; the edition of 2014 lists several, of which the first counts."""
    if not isinstance(categories, list):
        return ()
    if categories and isinstance(categories[0], list):
        categories = categories[0]
    return tuple(html.unescape(each) for each in categories if isinstance(each, str) and each)
