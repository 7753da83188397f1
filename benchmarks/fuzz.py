"""A hundred thousand fuzzed replies, through the parsers and through whole recommendations."""

from __future__ import annotations

import json
import math
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.results import save
from unillmrec import ItemTree, Recommender, read_catalog
from unillmrec.building import BuildOptions, build
from unillmrec.demo import books
from unillmrec.demo.walkthrough import BOUNDS
from unillmrec.endpoint import Request
from unillmrec.judge import CONTRACTS, LanguageModelJudge, PromptWriter, SimilarityJudge
from unillmrec.prompts import PromptSet
from unillmrec.replies.choices import ChoiceReading, read_interests, read_order, read_scores
from unillmrec.stages import Options
from unillmrec.testing import ScriptedEndpoint
from unillmrec.testing.garbage import disguised, garbage_reply, huge_reply, valid_reply
from unillmrec.tokens import TokenCounter

QUESTION = (
    "Does any reply make a recommendation fail, or hold an unknown, repeated, excluded or filtered "
    "item?"
)
SEED = 42
REPLIES = 100_000
HUGE = 60
WHERE = ("year > 1850", "language = 'en' and pages < 400", "not 'sea' in subjects", None)


class UnreadableError(AssertionError):
    """A parser returned something that its contract rules out."""


def run(data: Path) -> None:
    """Fuzz the parsers, then the recommender over the demo's catalog; *data* is not used."""
    parsed = read_some(REPLIES, SEED)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "books.tree"
        with books() as catalog:
            build(read_catalog(catalog), path, BuildOptions(bounds=BOUNDS, workers=1))
        with ItemTree.open(path) as tree:
            walked = walk_some(tree, REPLIES, SEED)
    slowest = read_huge(HUGE, SEED)
    rows: list[dict[str, Any]] = [
        {"what": "replies read, each three ways", "count": REPLIES, **parsed},
        {"what": "replies in recommendations", "count": walked.pop("replies"), **walked},
        {
            "what": "texts of 5 MB, read three ways",
            "count": HUGE,
            "slowest": f"{slowest:.2f} CPU s",
        },
    ]
    save("fuzz", QUESTION, rows, seed=SEED, judge="none: replies are generated, no model is asked")


def read_some(replies: int, seed: int) -> dict[str, Any]:
    """Parse generated replies; count the usable ones.

    Raises:
        UnreadableError: something was read that may not be.
    """
    chance = random.Random(seed)
    usable = exact = 0
    for _ in range(replies):
        count = chance.choice((0, 1, 2, 5, 16, 20, 72, 200))
        if chance.random() < 0.1:
            text = valid_reply(chance, max(count, 3))
            check_same(text, disguised(chance, text), max(count, 3))
            exact += 1
        else:
            usable += check_reading(garbage_reply(chance, count), count)
    return {"usable": f"{usable / max(replies - exact, 1):.0%}", "disguised, read exactly": exact}


def check_reading(text: str, count: int) -> bool:
    """Parse *text* in all ways, check each result, and return whether an order was usable.

    Raises:
        UnreadableError: as `read_some`.
    """
    readings = (read_scores(text, count), read_order(text, count))
    interests = read_interests(text)
    weights = [weight for _, weight in interests]
    names = [name for name, _ in interests]
    fair = not weights or (math.isclose(sum(weights), 1) and min(weights) > 0)
    single = all(name == name.strip() != "" and len(name.splitlines()) == 1 for name in names)
    if not (all(_closed(each, count) for each in readings) and fair and single and len(names) <= 8):
        raise UnreadableError(f"of {count} choices, {text[:2000]!r}: {readings} {interests}")
    return readings[1].usable


def _closed(reading: ChoiceReading, count: int) -> bool:
    numbers = [number for number, _ in reading.scores]
    scores = [score for _, score in reading.scores]
    return (
        len(set(numbers)) == len(numbers)
        and all(type(number) is int and 1 <= number <= count for number in numbers)
        and all(0 <= score <= 100 for score in scores)
        and scores == sorted(scores, reverse=True)
        and min(reading.invented, reading.repeated) >= 0
        and (reading.usable or not numbers)
    )


def check_same(text: str, wrapped: str, count: int) -> None:
    """Check that a valid reply is parsed alike however it is wrapped.

    Raises:
        UnreadableError: it does not.
    """
    (form,) = json.loads(text)
    read = {"picks": read_scores, "order": read_order}.get(form)
    bare = read(text, count) if read else read_interests(text)
    found = read(wrapped, count) if read else read_interests(wrapped)
    if bare != found and not (form == "interests" and not wrapped.isascii()):
        raise UnreadableError(f"{wrapped[:2000]!r} reads {found}, not {bare}")


def read_huge(texts: int, seed: int) -> float:
    """Parse texts of five megabytes in three ways; return the CPU seconds of the slowest."""
    chance = random.Random(seed)
    slowest = 0.0
    for _ in range(texts):
        text = huge_reply(chance)
        started = time.process_time()
        check_reading(text, 20)
        slowest = max(slowest, time.process_time() - started)
    return slowest


def walk_some(tree: ItemTree, replies: int, seed: int) -> dict[str, Any]:
    """Recommend with a model that answers garbage, until it gave *replies* answers.

    Raises:
        UnreadableError: a recommendation holds what it may not, or too little.
    """
    chance = random.Random(seed)
    writer = PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model("gpt-4o"))
    ids = [item_id for (item_id,) in tree.rows("SELECT id FROM item ORDER BY number")]
    fitting = {where: _fitting(tree, where) for where in WHERE}
    given = made = 0
    dropped: Counter[str] = Counter()
    while given < replies:
        endpoint = ScriptedEndpoint(lambda request: _answer(chance, request))
        judge = LanguageModelJudge(endpoint, writer, SimilarityJudge(tree), at_once=1)
        history, exclude = chance.sample(ids, 5), chance.sample(ids, chance.randrange(60))
        where = chance.choice(WHERE)
        options = Options(
            limit=chance.randrange(1, 15),
            leaves=chance.randrange(1, 8),
            shown=chance.randrange(1, 60),
            candidates=chance.randrange(1, 30),
            reorder=chance.choice(("tree", "model", "none")),
            seed=chance.randrange(9),
        )
        found = Recommender(tree, judge).recommend(
            history, options=options, where=where, exclude=exclude
        )
        listed = [each.item.id for each in found.items]
        allowed = fitting[where] - {*history, *exclude}
        wanted = min(options.limit, len(allowed))
        if not set(listed) <= allowed or not len(listed) == len(set(listed)) == wanted:
            raise UnreadableError(f"{where} of {len(allowed):,}: {listed}")
        given += len(endpoint.requests)
        made += 1
        dropped.update(found.dropped.as_dict())
    return {"replies": given, "recommendations": made, **dropped}


def _answer(chance: random.Random, request: Request) -> str:
    count = request.messages[1].content.count("\n") - 8
    return garbage_reply(chance, max(count, 1))


def _fitting(tree: ItemTree, where: str | None) -> set[str]:
    """Return the ids of the items that match a predicate, checked one by one."""
    rows = tree.rows("SELECT number, id FROM item ORDER BY number")
    if where is None:
        return {item_id for _, item_id in rows}
    selection = Recommender(tree).select(where)
    return {item_id for number, item_id in rows if number in selection}
