"""MIND: news with categories, and what people clicked before and in each impression."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from unillmrec.errors import EvaluationError
from unillmrec.evaluation.datasets.files import LoadedSet, fields, find, lines
from unillmrec.items import Item
from unillmrec.people.interactions import InteractionsBuilder

_WRITTEN = "%m/%d/%Y %I:%M:%S %p"


def load(folder: Path) -> LoadedSet:
    """Read `news.tsv` and `behaviors.tsv`.

    A history has an order and no times: its clicks are put before all impressions, in their
    order. Of an impression only what was clicked counts.
    """
    items = []
    for place, line in lines(find(folder, "news.tsv")):
        news, category, finer, title, abstract = fields(place, line, "\t", 5)[:5]
        path = tuple(filter(None, (category, finer)))
        items.append(Item(news, title or news, abstract, path, {}))
    taken = InteractionsBuilder()
    known: set[str] = set()
    for place, line in lines(find(folder, "behaviors.tsv")):
        _, person, time, history, shown = fields(place, line, "\t", 5)[:5]
        before = history.split()
        if person not in known:
            known.add(person)
            for position, news in enumerate(before):
                taken.add(person, news, float(position - len(before)))
        when = _seconds(place, time)
        for each in shown.split():
            news, dash, clicked = each.rpartition("-")
            if not dash or clicked not in ("0", "1"):
                raise EvaluationError(
                    f"{place}: {each!r} is no news with -1 or -0 behind it, clicked or not.",
                    detail="The test split is published without its clicks.",
                    remedy="the folder of the train split or of the dev split.",
                )
            if clicked == "1":
                taken.add(person, news, when)
    return LoadedSet(tuple(items), taken.finish())


def _seconds(place: str, text: str) -> float:
    try:
        return datetime.strptime(text, _WRITTEN).replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise EvaluationError(
            f"{place}: {text!r} is no time such as 11/15/2019 8:55:22 AM."
        ) from error
