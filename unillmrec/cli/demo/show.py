"""Print the demo: the tree, the walk, ten titles, the bill."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from unillmrec.cli.demo.run import DemoOutcome
from unillmrec.cli.recommend.show import show_items
from unillmrec.cli.shared.output import (
    Page,
    facts_table,
    format_count,
    format_seconds,
    numbers_table,
    printable,
    show_json,
)
from unillmrec.demo import LICENCE, readers
from unillmrec.stages import WalkStep
from unillmrec.store import Node
from unillmrec.usage import Stage, Usage

BAR = 10
# How many children that stay closed are listed below the opened ones.
NAMED = 2
SECONDS_A_NODE = 0.4


def show_demo(demo: DemoOutcome, *, pause: bool, as_json: bool) -> None:
    """Print the demo from the tree to the bill; with *pause*, walk slowly on a terminal."""
    if as_json:
        show_json(demo_as_dict(demo))
        return
    page = Page()
    page.show(_title("unillmrec demo", "no network, no key"))
    page.blank()
    page.show(facts_table(_introduction(demo)))
    page.blank()
    _show_walk(page, demo, SECONDS_A_NODE if pause and page.is_terminal else 0.0)
    page.blank()
    for_whom = f" for {demo.reader.name}" if demo.reader else ""
    recommendation = demo.walkthrough.recommendation
    page.show(_title(f"{len(recommendation.items)} books{for_whom}"))
    show_items(page, recommendation.items, with_ids=False)
    page.blank()
    _show_bill(page, demo)
    page.blank()
    _show_next(page, demo)


def _title(text: str, more: str = "") -> Text:
    return Text.assemble((text, "bold"), (f"  {more}", "dim") if more else "")


def _introduction(demo: DemoOutcome) -> Iterator[tuple[str, str | Text]]:
    walkthrough = demo.walkthrough
    report = walkthrough.report
    leaves = format_count(report.leaves, "leaf", "leaves")
    branches = format_count(report.branches, "branch", "branches")
    built = f"built in {format_seconds(walkthrough.seconds)}"
    yield "tree", f"{format_count(report.items, 'book')} in {leaves} under {branches}, {built}"
    if demo.reader:
        others = ", ".join(each.id for each in readers() if each != demo.reader)
        yield (
            "person",
            Text.assemble(
                f"{demo.reader.name}. {demo.reader.about}", (f" (Others: {others}.)", "dim")
            ),
        )
    if walkthrough.titles:
        lately = "; ".join(printable(title, 60) for title in walkthrough.titles[:-4:-1])
        yield "history", f"{format_count(len(walkthrough.titles), 'book')}, lately {lately}"
    yield "profile", printable(walkthrough.recommendation.profile.text(), 200)
    yield "judge", walkthrough.recommendation.judge


def _show_walk(page: Page, demo: DemoOutcome, pause: float) -> None:
    recommendation = demo.walkthrough.recommendation
    opened = recommendation.opened
    page.show(_title("the walk", "the most similar branches are opened, the others stay closed"))
    page.show(Text("bar and number: similarity as a score out of 100", style="dim"))
    page.blank()
    ids = {event.opened.id for event in opened}
    most = max((score for event in opened for _, score in event.scores), default=0.0)
    for event in opened:
        if event.opened.is_leaf:
            continue
        if pause:
            with page.console.status(Text(f"reading {_line(event.opened)}", style="dim")):
                time.sleep(pause)
        page.show(_block(page, event, ids, most))
    leaves = [event.opened for event in opened if event.opened.is_leaf]
    books = sum(leaf.size for leaf in leaves)
    summary = (
        f"{format_count(len(leaves), 'leaf', 'leaves')} opened, with {books:,} of "
        f"{demo.walkthrough.report.items:,} books; {len(recommendation.candidates)} of them "
        "became candidates and were ranked; rerank added variety."
    )
    page.show(Text(summary))


def _block(page: Page, event: WalkStep, opened: set[int], most: float) -> Table:
    """Format the children of one node: the opened ones, and the most similar of the others."""
    scores = dict(event.scores)
    nearest = sorted(event.children, key=lambda child: -scores[child.id])
    chosen = [child for child in nearest if child.id in opened]
    left = [child for child in nearest if child.id not in opened]
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, width=BAR)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(page.width - BAR - 12, 20))
    table.add_row("", "", "", Text(_line(event.opened), style="bold"))
    for child in [*chosen, *left[:NAMED]]:
        is_open = child.id in opened
        score = scores[child.id]
        bar = "━" * max(1, round(BAR * score / most)) if most and score > 0 else ""
        table.add_row(
            Text(" ▸" if is_open else "  ", style="green"),
            Text(bar, style="green" if is_open else "dim"),
            Text(f"{score:.0f}", style="" if is_open else "dim"),
            Text(_line(child), style="" if is_open else "dim"),
        )
    if len(left) > NAMED:
        table.add_row("", "", "", Text(f"and {len(left) - NAMED} left closed", style="dim"))
    table.add_row()
    return table


def _line(node: Node) -> str:
    words = ", ".join(node.description.words[:4]) if node.parent else "all books"
    return f"{printable(words or node.description.label, 60)} ({node.size:,})"


def _show_bill(page: Page, demo: DemoOutcome) -> None:
    walkthrough = demo.walkthrough
    recommendation = walkthrough.recommendation
    total, flat = recommendation.total_usage(), walkthrough.flat
    page.show(_title("what a language model would cost", "estimated; nothing was sent"))
    stages = [
        (str(stage), recommendation.usage.get(stage, Usage()))
        for stage in (Stage.PROFILE, Stage.RECALL, Stage.RANK, Stage.RERANK)
    ]
    listed = f"all {walkthrough.report.items:,} books in one prompt"
    _show_estimates(page, [*stages, ("total", total), (listed, flat)])
    times = flat.estimated_prompt / max(total.estimated_prompt, 1)
    page.show(
        Text(
            f"One prompt with the whole catalog takes {times:.1f} times as many tokens, and grows "
            "with every book; the walk grows with the depth of the tree."
        )
    )


def _show_estimates(page: Page, rows: Sequence[tuple[str, Usage]]) -> None:
    table = numbers_table("stage", ["calls", "prompt", "completion"])
    for name, usage in rows:
        numbers = (usage.calls, usage.estimated_prompt, usage.estimated_completion)
        table.add_row(name, *(f"{n:,}" for n in numbers), style="bold" if name == "total" else "")
    page.show(table)


def _show_next(page: Page, demo: DemoOutcome) -> None:
    commands = [
        "unillmrec build YOUR-CATALOG.jsonl",
        'unillmrec demo --like "comedies about money"',
    ]
    if demo.kept:
        commands.insert(0, f"unillmrec tree {demo.kept}")
    page.show(facts_table(("next" if not n else "", each) for n, each in enumerate(commands)))
    page.blank()
    page.show(Text(LICENCE, style="dim"))


def demo_as_dict(demo: DemoOutcome) -> dict[str, Any]:
    """Return the demo as a JSON object."""
    walkthrough = demo.walkthrough
    report = walkthrough.report
    return {
        "person": demo.reader.id if demo.reader else None,
        "history": list(walkthrough.titles),
        "tree": {
            "path": str(demo.kept) if demo.kept else None,
            "items": report.items,
            "leaves": report.leaves,
            "branches": report.branches,
            "depth": report.depth,
            "seconds": round(walkthrough.seconds, 3),
        },
        **walkthrough.recommendation.as_dict(),
        "note": walkthrough.recommendation.note,
        "opened": [event.opened.id for event in walkthrough.recommendation.opened],
        "flat": walkthrough.flat.as_dict(),
    }
