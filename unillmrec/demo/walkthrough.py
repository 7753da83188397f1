"""The demo itself: build the tree, walk it for somebody, and say what a model would cost."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from unillmrec.building import BuildOptions, BuildReport, build
from unillmrec.catalog import read_catalog
from unillmrec.demo import books
from unillmrec.judge import Choice, Profile, PromptWriter
from unillmrec.judge.from_settings import build_writer
from unillmrec.judge.registry import build_estimating_judge
from unillmrec.recommending.recommendation import Recommendation
from unillmrec.recommending.recommender import Recommender
from unillmrec.settings import Settings
from unillmrec.stages import Options, Person
from unillmrec.stages.item_lines import format_item
from unillmrec.stages.recall import ITEM_LINE
from unillmrec.store import ItemTree, Node
from unillmrec.tree.growing import Bounds
from unillmrec.usage import Usage

# Seven hundred books fit under one branch; narrower bounds make a tree that can be walked.
BOUNDS = Bounds(fan_out=8, root_children=12, leaf_target=12, leaf_capacity=20)
OPTIONS = Options(limit=10, leaves=6, shown=40, candidates=20)


@dataclass(frozen=True, slots=True)
class Performance:
    """Everything the demo has to show.

    *flat* is what one prompt with every item of the catalog would cost. *titles* are those
    of the history.
    """

    report: BuildReport
    seconds: float
    recommendation: Recommendation
    flat: Usage
    titles: tuple[str, ...]
    root: Node


def perform(path: Path, person: Person) -> Performance:
    """Build the tree of the books at *path* and recommend from it to *person*."""
    started = time.perf_counter()
    with books() as catalog:
        options = BuildOptions(bounds=BOUNDS, workers=1)
        report = build(read_catalog(catalog), path, options)
    seconds = time.perf_counter() - started
    # Nothing from outside may change what the demo shows, so the settings are the defaults.
    settings = Settings()
    with ItemTree.open(path) as tree:
        judge = build_estimating_judge(tree, settings)
        recommendation = Recommender(tree, judge).recommend_to(person, OPTIONS)
        known = tree.items_by_id(person.history)
        return Performance(
            report=report,
            seconds=seconds,
            recommendation=recommendation,
            flat=flat_cost(tree, recommendation.profile, build_writer(settings)),
            titles=tuple(known[each].item.title for each in person.history),
            root=tree.node(1),
        )


def flat_cost(tree: ItemTree, profile: Profile, writer: PromptWriter) -> Usage:
    """Count one prompt that lists every item of *tree*, in the lines that recall shows."""
    items = tree.items_by_number(range(len(tree)))
    lines = [
        writer.line(Choice(number, format_item(each.item, ITEM_LINE), each.number))
        for number, each in enumerate(items.values(), start=1)
    ]
    filled = writer.prompts["pick"].fill(
        person=profile.text(), choices="\n".join(lines), limit=str(OPTIONS.limit)
    )
    answer = writer.counter.count('{"number": 123, "score": 80}, ') * OPTIONS.limit
    return Usage(
        calls=1,
        prompt=None,
        completion=None,
        cached=None,
        reasoning=None,
        estimated_prompt=writer.counter.count_messages(filled),
        estimated_completion=answer,
    )
