"""Print a recommendation, as text or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from unillmrec.cli.shared.output import (
    Page,
    facts_table,
    format_count,
    format_seconds,
    printable,
    show_bill,
)
from unillmrec.cli.shared.plan_output import format_money, format_prefix

if TYPE_CHECKING:
    from unillmrec.cli.recommend.run import RecommendReport
    from unillmrec.judge import Dropped, Profile
    from unillmrec.recommending.recommendation import Recommendation, RecommendedItem

TITLE_LENGTH = 120
REASON_LENGTH = 200
ID_LENGTH = 60

ENDED_BY = {
    "tokens": "the token budget is spent",
    "calls": "the call budget is spent",
    "cost": "the cost budget is spent",
    "deadline": "the deadline has passed",
    "interrupted": "you interrupted",
    "endpoint": "the endpoint failed",
}


def show_recommendation(report: RecommendReport) -> None:
    """Print the items with their reasons, then how they were found and what they cost."""
    recommendation = report.recommendation
    page = Page()
    page.show(
        facts_table(
            [
                ("profile", format_profile(recommendation.profile)),
                ("judge", recommendation.judge),
            ]
        )
    )
    page.blank()
    if recommendation.items:
        show_items(page, recommendation.items, by_model=report.by_model)
        page.blank()
        page.show(Text(_format_summary(report)))
    else:
        page.show(Text(recommendation.note))
    if recommendation.partial:
        page.show(Text(_format_partial(recommendation), style="yellow"))
    if recommendation.stale:
        page.show(Text(_format_stale(report), style="yellow"))
    show_cost(page, recommendation)
    if report.cost and report.cost.currency and report.price:
        money = format_money(report.cost.amount, report.cost.currency)
        page.show(Text(f"Cost: {money}, at {report.price.describe()}."))
    cached = recommendation.total_usage().cached
    if report.shared.shared and cached is not None:
        text = f"{format_prefix(report.shared)}; the server reports that it served {cached:,}."
        page.show(Text(text, style="dim"))


def _format_partial(recommendation: Recommendation) -> str:
    """Return why the judge did not answer everything, and who did."""
    why = ENDED_BY[recommendation.partial]
    text = f"Partial: {why}; the embedded judge answered the rest, at no cost."
    return f"{text} {recommendation.note}".rstrip()


def _format_stale(report: RecommendReport) -> str:
    """Return how many of the opened nodes have outdated descriptions, and how to renew them."""
    opened = format_count(len(report.recommendation.opened), "opened node")
    return (
        f"{report.recommendation.stale:,} of {opened} have outdated descriptions; "
        f"`unillmrec describe {report.tree} --stale` renews them."
    )


def show_items(
    page: Page,
    items: tuple[RecommendedItem, ...],
    *,
    by_model: bool = False,
    with_ids: bool = True,
) -> None:
    """Print numbered titles with reasons; mark those that the model did not pick itself."""
    unpicked = by_model and any(each.found != "judge" for each in items)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(justify="right", no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for each in items:
        title = Text(printable(each.item.title, TITLE_LENGTH), style="bold")
        mark = " *" if unpicked and each.found != "judge" else ""
        item_id = f"  {printable(each.item.id, ID_LENGTH)}" if with_ids else ""
        title.append(mark + item_id, style="not bold dim")
        table.add_row(f"{each.place}.", title)
        table.add_row("", printable(each.reason, REASON_LENGTH))
    page.show(table)
    if unpicked:
        page.show(
            Text("* not picked by the model, but the most similar of the items it saw", style="dim")
        )


def _format_summary(report: RecommendReport) -> str:
    """Return how many items were found and how, and what was wrong with the replies."""
    recommendation = report.recommendation
    opened = recommendation.opened
    leaves = sum(event.opened.is_leaf for event in opened)
    nodes = format_count(len(opened) - leaves, "branch", "branches")
    walked = f"{nodes} and {format_count(leaves, 'leaf', 'leaves')} opened"
    done = f"Recommended {format_count(len(recommendation.items), 'item')} of {report.items:,}"
    number = len(recommendation.candidates)
    order = _format_walk(recommendation)
    parts = [
        *order,
        walked,
        format_count(number, "candidate"),
        format_seconds(recommendation.seconds),
    ]
    return " ".join([f"{done}: {', '.join(parts)}.", *format_dropped(recommendation.dropped)])


def _format_walk(recommendation: Recommendation) -> Iterator[str]:
    """Return the walk, if it was not the default one, and whether it ended certified."""
    walk = recommendation.walk
    if walk.order != "best-first" or walk.why:
        yield f"{walk.order} walk" + (f" ({walk.why})" if walk.why else "")
    if recommendation.ended == "certified":
        yield "certified (no unopened branch can contain a better candidate)"


def format_dropped(dropped: Dropped) -> Iterator[str]:
    """Return sentences about the replies that had to be repaired."""
    faults = [
        (dropped.invented, "invented", "number"),
        (dropped.repeated, "repeated", "number"),
        (dropped.left_out, "left out", "candidate"),
    ]
    parts = [f"{verb} {format_count(count, noun)}" for count, verb, noun in faults if count]
    if parts:
        last = f" and {parts[-1]}" if len(parts) > 1 else parts[-1]
        yield f"The model {', '.join(parts[:-1])}{last}."
    if dropped.uninformative:
        yield (
            f"{format_count(dropped.uninformative, 'reply', 'replies')} said nothing about the "
            "person: a copy of the example, the order of the list, or one score for all."
        )
    if dropped.asked_again:
        yield f"{format_count(dropped.asked_again, 'question')} had to be asked again."
    if dropped.fallbacks:
        yield (
            f"{format_count(dropped.fallbacks, 'reply', 'replies')} could not be used; "
            "the embedded similarity judge answered instead."
        )


def show_cost(page: Page, recommendation: Recommendation) -> None:
    """Print the usage of each stage."""
    total = recommendation.total_usage()
    if not total.calls and total.prompt == 0:
        page.show(Text("No language model was asked; nothing was spent.", style="dim"))
        return
    lines = {str(stage): use for stage, use in recommendation.usage.items() if use.calls}
    page.blank()
    show_bill(page, lines, total)


def format_profile(profile: Profile) -> str:
    """Return the profile in one line, the heaviest interest first."""
    interests = sorted(profile.interests, key=lambda each: -each.weight)
    if len(interests) == 1:
        return printable(interests[0].text, 300)
    return ", ".join(f"{printable(each.text, 100)} ({each.weight:.0%})" for each in interests)
