"""The demo on the screen: the tree, the walk, ten titles, the bill."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from unillmrec.cli.demo.run import Shown
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
from unillmrec.usage import Usage

BAR = 10
# Besides the opened ones so many more children are named, the nearest first.
NAMED = 2
SECONDS_A_NODE = 0.4


def show_demo(made: Shown, *, pause: bool, as_json: bool) -> None:
    """Show a performance from the tree to the bill; walk slowly where somebody watches."""
    if as_json:
        show_json(demo_as_dict(made))
        return
    page = Page()
    page.show(_title("unillmrec demo", "no network, no key"))
    page.blank()
    page.show(facts_table(_introduction(made)))
    page.blank()
    _show_walk(page, made, SECONDS_A_NODE if pause and page.is_terminal else 0.0)
    page.blank()
    for_whom = f" for {made.reader.name}" if made.reader else ""
    recommendation = made.performance.recommendation
    page.show(_title(f"{len(recommendation.items)} books{for_whom}"))
    show_items(page, recommendation.items, with_ids=False)
    page.blank()
    _show_bill(page, made)
    page.blank()
    _show_next(page, made)


def _title(text: str, more: str = "") -> Text:
    return Text.assemble((text, "bold"), (f"  {more}", "dim") if more else "")


def _introduction(made: Shown) -> Iterator[tuple[str, str | Text]]:
    performance = made.performance
    report = performance.report
    leaves = format_count(report.leaves, "leaf", "leaves")
    branches = format_count(report.branches, "branch", "branches")
    built = f"built in {format_seconds(performance.seconds)}"
    yield "tree", f"{format_count(report.items, 'book')} in {leaves} under {branches}, {built}"
    if made.reader:
        others = ", ".join(each.id for each in readers() if each != made.reader)
        yield (
            "person",
            Text.assemble(
                f"{made.reader.name}. {made.reader.about}", (f" (Others: {others}.)", "dim")
            ),
        )
    if performance.titles:
        lately = "; ".join(printable(title, 60) for title in performance.titles[:-4:-1])
        yield "history", f"{format_count(len(performance.titles), 'book')}, lately {lately}"
    yield "profile", printable(performance.recommendation.profile.text(), 200)
    yield "judge", performance.recommendation.judge


def _show_walk(page: Page, made: Shown, pause: float) -> None:
    recommendation = made.performance.recommendation
    opened = recommendation.opened
    page.show(_title("the walk", "the nearest branches are opened, the others stay closed"))
    page.show(Text("the bar and the number: how near, as a score out of 100", style="dim"))
    page.blank()
    ids = {event.opened.id for event in opened}
    most = max((score for event in opened for _, score in event.scores), default=0.0)
    for event in opened:
        if event.opened.is_leaf:
            continue
        if pause:
            with page.console.status(Text(f"reading {_told(event.opened)}", style="dim")):
                time.sleep(pause)
        page.show(_block(page, event, ids, most))
    leaves = [event.opened for event in opened if event.opened.is_leaf]
    books = sum(leaf.size for leaf in leaves)
    told = (
        f"{format_count(len(leaves), 'leaf', 'leaves')} opened, with {books:,} of "
        f"{made.performance.report.items:,} books; {len(recommendation.candidates)} of them "
        "became candidates, were ranked, and made into a list with some variety."
    )
    page.show(Text(told))


def _block(page: Page, event: WalkStep, opened: set[int], most: float) -> Table:
    """Return the children of one node: the opened ones, and the nearest of the others."""
    scores = dict(event.scores)
    nearest = sorted(event.children, key=lambda child: -scores[child.id])
    chosen = [child for child in nearest if child.id in opened]
    left = [child for child in nearest if child.id not in opened]
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, width=BAR)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(page.width - BAR - 12, 20))
    table.add_row("", "", "", Text(_told(event.opened), style="bold"))
    for child in [*chosen, *left[:NAMED]]:
        is_open = child.id in opened
        score = scores[child.id]
        bar = "━" * max(1, round(BAR * score / most)) if most and score > 0 else ""
        table.add_row(
            Text(" ▸" if is_open else "  ", style="green"),
            Text(bar, style="green" if is_open else "dim"),
            Text(f"{score:.0f}", style="" if is_open else "dim"),
            Text(_told(child), style="" if is_open else "dim"),
        )
    if len(left) > NAMED:
        table.add_row("", "", "", Text(f"and {len(left) - NAMED} left closed", style="dim"))
    table.add_row()
    return table


def _told(node: Node) -> str:
    words = ", ".join(node.description.words[:4]) if node.parent else "all books"
    return f"{printable(words or node.description.label, 60)} ({node.size:,})"


def _show_bill(page: Page, made: Shown) -> None:
    performance = made.performance
    recommendation = performance.recommendation
    total, flat = recommendation.total_usage(), performance.flat
    page.show(_title("what a language model would cost", "estimated; nothing was sent"))
    stages = [(str(stage), use) for stage, use in recommendation.usage.items() if use.calls]
    listed = f"all {performance.report.items:,} books in one prompt"
    _show_estimates(page, [*stages, ("total", total), (listed, flat)])
    times = flat.estimated_prompt / max(total.estimated_prompt, 1)
    told = f"Listing the whole catalog takes {times:.1f} times the prompt tokens"
    page.show(Text(f"{told}, and grows with every book; the walk hardly does."))


def _show_estimates(page: Page, rows: Sequence[tuple[str, Usage]]) -> None:
    table = numbers_table("stage", ["calls", "prompt", "completion"])
    for name, usage in rows:
        numbers = (usage.calls, usage.estimated_prompt, usage.estimated_completion)
        table.add_row(name, *(f"{n:,}" for n in numbers), style="bold" if name == "total" else "")
    page.show(table)


def _show_next(page: Page, made: Shown) -> None:
    commands = [
        "unillmrec build YOUR-CATALOG.jsonl",
        'unillmrec demo --like "comedies about money"',
    ]
    if made.kept:
        commands.insert(0, f"unillmrec tree {made.kept}")
    page.show(facts_table(("next" if not n else "", each) for n, each in enumerate(commands)))
    page.blank()
    page.show(Text(LICENCE, style="dim"))


def demo_as_dict(made: Shown) -> dict[str, Any]:
    """Return a performance as the JSON output gives it."""
    performance = made.performance
    report = performance.report
    return {
        "person": made.reader.id if made.reader else None,
        "history": list(performance.titles),
        "tree": {
            "path": str(made.kept) if made.kept else None,
            "items": report.items,
            "leaves": report.leaves,
            "branches": report.branches,
            "depth": report.depth,
            "seconds": round(performance.seconds, 3),
        },
        **performance.recommendation.as_dict(),
        "note": performance.recommendation.note,
        "opened": [event.opened.id for event in performance.recommendation.opened],
        "flat": performance.flat.as_dict(),
    }
