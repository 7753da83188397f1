"""A batch, for people and as JSON."""

from __future__ import annotations

from rich.text import Text

from unillmrec.cli.batch.run import Batched
from unillmrec.cli.shared.output import (
    Page,
    format_count,
    format_seconds,
    printable,
    show_bill,
    show_json,
)
from unillmrec.prices import Money

SHOWN = 10


def show_batch(batched: Batched, *, as_json: bool) -> None:
    """Say who is done, who is not and why, and what it cost."""
    report, wishes = batched.report, batched.wishes
    if as_json:
        show_json(_as_dict(batched))
        return
    page = Page()
    page.show(Text(_summary(batched)))
    if report.failed:
        page.show(
            Text(f"{format_count(len(report.failed), 'person', 'people')} failed:", style="yellow")
        )
        for each in report.failed[:SHOWN]:
            page.show(Text(f"  line {each.line:,}: {printable(each.text, 160)}"))
    if batched.problems:
        page.show(
            Text(f"{batched.problems} says which rows are not in {wishes.out.name}, and why.")
        )
    page.show(Text(f"judge: {report.judge}", style="dim"))
    total = report.total_usage()
    if total.calls:
        page.blank()
        lines = {str(stage): usage for stage, usage in report.usage.items() if usage.calls}
        show_bill(page, lines, total)
        if report.known_cost is not None:
            least = "" if report.cost else "at least "
            money = f"{report.known_cost.amount:,.4f} {report.known_cost.currency}"
            page.show(Text(f"cost {least}{money}"))


def _summary(batched: Batched) -> str:
    report = batched.report
    fresh = report.done - report.resumed
    people = format_count(fresh, "person", "people")
    parts = [f"Recommended to {people} in {format_seconds(report.seconds)}"]
    if report.resumed:
        parts.append(f"{report.resumed:,} {'was' if report.resumed == 1 else 'were'} done before")
    if report.skipped:
        parts.append(f"{format_count(report.skipped, 'row')} could not be used")
    if not report.finished:
        parts.append(f"about {_left(batched):,} are left")
    where = f" The lists are in {batched.wishes.out}." if report.done or report.finished else ""
    return f"{'; '.join(parts)}.{where}"


def _left(batched: Batched) -> int:
    report = batched.report
    return 0 if report.finished else max(0, report.people - report.done - report.skipped)


def _as_dict(batched: Batched) -> dict[str, object]:
    report, wishes = batched.report, batched.wishes
    return {
        "tree": str(wishes.tree),
        "people": str(wishes.people),
        "out": str(wishes.out),
        "problems": str(batched.problems) if batched.problems else None,
        "judge": report.judge,
        "run": batched.run,
        "total": report.done + report.skipped if report.finished else report.people,
        "done": report.done,
        "resumed": report.resumed,
        "skipped": report.skipped,
        "failed": len(report.failed),
        "left": _left(batched),
        "usage": {
            **{str(stage): usage.as_dict() for stage, usage in report.usage.items()},
            "total": report.total_usage().as_dict(),
        },
        **batched.cache,
        "cost": _money(report.cost),
        "known_cost": _money(report.known_cost),
        "finished": report.finished,
        "stopped": report.stopped.problem if report.stopped else None,
        "seconds": round(report.seconds, 3),
    }


def _money(money: Money | None) -> dict[str, float] | None:
    return {money.currency: money.amount} if money else None
