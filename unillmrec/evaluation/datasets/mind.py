"""MIND (Microsoft News): news with categories, reading histories, and clicks."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from unillmrec.errors import EvaluationError
from unillmrec.evaluation.datasets.files import (
    LoadedDataset,
    find_file,
    parse_date,
    read_lines,
    split_fields,
)
from unillmrec.items import Item
from unillmrec.people.interactions import Interactions, InteractionsBuilder

_DATE_FORMAT = "%m/%d/%Y %I:%M:%S %p"


def load(folder: Path) -> LoadedDataset:
    """Read `news.tsv` and `behaviors.tsv`.

    The clicks of a history have an order but no times, so they are placed before all
    impressions. Of an impression, only the clicked news count.
    """
    items = []
    for place, line in read_lines(find_file(folder, "news.tsv")):
        news, category, subcategory, title, abstract = split_fields(place, line, "\t", 5)[:5]
        path = tuple(filter(None, (category, subcategory)))
        items.append(Item(news, title or news, abstract, path, {}))
    return LoadedDataset(tuple(items), _read_behaviors(find_file(folder, "behaviors.tsv")))


def _read_behaviors(path: Path) -> Interactions:
    interactions = InteractionsBuilder()
    people: set[str] = set()
    for place, line in read_lines(path):
        _, person, time, history, shown = split_fields(place, line, "\t", 5)[:5]
        if person not in people:
            people.add(person)
            clicks = history.split()
            for position, news in enumerate(clicks):
                interactions.add(person, news, float(position - len(clicks)))
        date = parse_date(place, time, _DATE_FORMAT, "11/15/2019 8:55:22 AM")
        seconds = date.replace(tzinfo=UTC).timestamp()
        for entry in shown.split():
            news, dash, clicked = entry.rpartition("-")
            if not dash or clicked not in ("0", "1"):
                raise _no_click_label(place, entry)
            if clicked == "1":
                interactions.add(person, news, seconds)
    return interactions.finish()


def _no_click_label(place: str, entry: str) -> EvaluationError:
    return EvaluationError(
        f"{place}: {entry!r} does not end in -1 (clicked) or -0 (not clicked).",
        detail="The test split is published without its clicks.",
        remedy="the folder of the train split or of the dev split.",
    )
