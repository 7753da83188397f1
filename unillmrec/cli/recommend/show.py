"""A recommendation, or the plan of one, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from unillmrec.cli.recommend.run import Recommended
from unillmrec.cli.shared.output import (
    Page,
    facts_table,
    format_count,
    format_seconds,
    printable,
    show_bill,
    show_json,
)
from unillmrec.cli.shared.plan_output import format_money, format_prefix
from unillmrec.judge import Dropped, Profile
from unillmrec.recommending.recommendation import Recommendation, RecommendedItem

TITLE_LENGTH = 120
REASON_LENGTH = 200
ID_LENGTH = 60

ENDED_BY = {
    "tokens": "the budget of tokens is spent",
    "calls": "the budget of calls is spent",
    "cost": "the budget of money is spent",
    "deadline": "the time is over",
    "interrupted": "you interrupted",
    "endpoint": "the endpoint failed",
}


def show_recommendation(made: Recommended, *, as_json: bool) -> None:
    """Show the items with their reasons, then what was done and what it cost."""
    recommendation = made.recommendation
    if as_json:
        about = {
            "tree": str(made.tree),
            "run": made.run,
            "prompts": dict(made.prompts),
            "prefix": made.shared.as_dict(),
        }
        cost = made.cost.as_dict() if made.cost else None
        show_json({**recommendation.as_dict(), "cost": cost, **about, **made.cache})
        return
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
        show_items(page, recommendation.items, by_model=made.by_model)
        page.blank()
        page.show(Text(_summary(made)))
    else:
        page.show(Text(recommendation.note))
    if recommendation.partial:
        page.show(Text(_told_partial(recommendation), style="yellow"))
    if recommendation.stale:
        page.show(Text(_told_stale(made), style="yellow"))
    show_cost(page, recommendation)
    if made.cost and made.cost.currency and made.price:
        money = format_money(made.cost.amount, made.cost.currency)
        page.show(Text(f"Cost: {money}, at {made.price.describe()}."))
    cached = recommendation.total_usage().cached
    if made.shared.shared and cached is not None:
        told = f"{format_prefix(made.shared)}; the server says that it served {cached:,}."
        page.show(Text(told, style="dim"))


def _told_partial(recommendation: Recommendation) -> str:
    """Say why the judge did not answer everything, and who did."""
    why = ENDED_BY[recommendation.partial]
    told = f"Partial: {why}; the embedded judge answered the rest, at no cost."
    return f"{told} {recommendation.note}".rstrip()


def _told_stale(made: Recommended) -> str:
    """Say that the walk went by descriptions that are out of date, and what renews them."""
    opened = format_count(len(made.recommendation.opened), "opened node")
    return (
        f"{made.recommendation.stale:,} of {opened} had descriptions that are out of date; "
        f"`unillmrec describe {made.tree} --stale` renews them."
    )


def show_items(
    page: Page,
    items: tuple[RecommendedItem, ...],
    *,
    by_model: bool = False,
    with_ids: bool = True,
) -> None:
    """Show numbered titles, a reason below each; mark those a model did not pick itself."""
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
        page.show(Text("* not picked by the model: the nearest of what it saw", style="dim"))


def _summary(made: Recommended) -> str:
    """Say what was done, and what had to be thrown away."""
    recommendation = made.recommendation
    opened = recommendation.opened
    leaves = sum(event.opened.is_leaf for event in opened)
    nodes = format_count(len(opened) - leaves, "branch", "branches")
    walked = f"{nodes} and {format_count(leaves, 'leaf', 'leaves')} opened"
    done = f"Recommended {format_count(len(recommendation.items), 'item')} of {made.items:,}"
    number = len(recommendation.candidates)
    way = _told_way(recommendation)
    parts = [
        *way,
        walked,
        format_count(number, "candidate"),
        format_seconds(recommendation.seconds),
    ]
    return " ".join([f"{done}: {', '.join(parts)}.", *format_dropped(recommendation.dropped)])


def _told_way(recommendation: Recommendation) -> Iterator[str]:
    """Say which way recall went, where it was not the usual one, and what it proved."""
    walk = recommendation.walk
    if walk.order != "best-first" or walk.why:
        yield f"{walk.order} walk" + (f" ({walk.why})" if walk.why else "")
    if recommendation.ended == "certified":
        yield "certified (nothing unopened comes before a candidate)"


def format_dropped(dropped: Dropped) -> Iterator[str]:
    """Say in words what answers had to be mended."""
    faults = [
        (dropped.invented, "invented", "number"),
        (dropped.repeated, "repeated", "number"),
        (dropped.left_out, "left out", "candidate"),
    ]
    told = [f"{verb} {format_count(count, noun)}" for count, verb, noun in faults if count]
    if told:
        last = f" and {told[-1]}" if len(told) > 1 else told[-1]
        yield f"The model {', '.join(told[:-1])}{last}."
    if dropped.asked_again:
        yield f"{format_count(dropped.asked_again, 'question')} had to be asked again."
    if dropped.fallbacks:
        yield (
            f"{format_count(dropped.fallbacks, 'answer')} could not be used; "
            "there the embedded similarity judge answered."
        )


def show_cost(page: Page, recommendation: Recommendation) -> None:
    """Show the bill, stage by stage."""
    total = recommendation.total_usage()
    if not total.calls:
        page.show(Text("No language model was asked; nothing was spent.", style="dim"))
        return
    lines = {str(stage): use for stage, use in recommendation.usage.items() if use.calls}
    page.blank()
    show_bill(page, lines, total)


def format_profile(profile: Profile) -> str:
    """Return the profile on one line."""
    interests = sorted(profile.interests, key=lambda each: -each.weight)
    if len(interests) == 1:
        return printable(interests[0].text, 300)
    return ", ".join(f"{printable(each.text, 100)} ({each.weight:.0%})" for each in interests)
