"""Build the demo tree, recommend to one person, and estimate what a model would cost."""

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

# By default, seven hundred books fit under one branch; narrower bounds give the tree levels.
BOUNDS = Bounds(fan_out=8, root_children=12, leaf_target=12, leaf_capacity=20)
OPTIONS = Options(limit=10, leaves=6, shown=40, candidates=20)


@dataclass(frozen=True, slots=True)
class Walkthrough:
    """What the demo shows.

    *flat* is the estimated usage of one prompt that lists the whole catalog. *titles* are the
    titles of the history.
    """

    report: BuildReport
    seconds: float
    recommendation: Recommendation
    flat: Usage
    titles: tuple[str, ...]
    root: Node


def run_walkthrough(path: Path, person: Person) -> Walkthrough:
    """Build the tree of the bundled books at *path*, and recommend to *person* from it."""
    started = time.perf_counter()
    with books() as catalog:
        options = BuildOptions(bounds=BOUNDS, workers=1)
        report = build(read_catalog(catalog), path, options)
    seconds = time.perf_counter() - started
    # The demo must show the same everywhere, so user settings are ignored.
    settings = Settings()
    with ItemTree.open(path) as tree:
        judge = build_estimating_judge(tree, settings)
        recommendation = Recommender(tree, judge).recommend_to(person, OPTIONS)
        known = tree.items_by_id(person.history)
        return Walkthrough(
            report=report,
            seconds=seconds,
            recommendation=recommendation,
            flat=flat_cost(tree, recommendation.profile, build_writer(settings)),
            titles=tuple(known[each].item.title for each in person.history),
            root=tree.node(1),
        )


def flat_cost(tree: ItemTree, profile: Profile, writer: PromptWriter) -> Usage:
    """Estimate the usage of one prompt that lists every item of *tree* as recall would."""
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
