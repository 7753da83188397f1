"""Print what a batch did, as text or JSON."""

from __future__ import annotations

from rich.text import Text

from unillmrec.cli.batch.run import BatchRun
from unillmrec.cli.shared.output import (
    Page,
    format_count,
    format_seconds,
    printable,
    show_bill,
    show_json,
)
from unillmrec.prices import Money

MOST_FAILURES = 10


def show_batch(run: BatchRun, *, as_json: bool) -> None:
    """Print how many people are done, who failed and why, and the cost."""
    report = run.report
    if as_json:
        show_json(_as_dict(run))
        return
    page = Page()
    page.show(Text(_format_summary(run)))
    if report.failed:
        failed = format_count(len(report.failed), "person", "people")
        page.show(Text(f"{failed} failed:", style="yellow"))
        for each in report.failed[:MOST_FAILURES]:
            page.show(Text(f"  line {each.line:,}: {printable(each.problem, 160)}"))
    if run.problems:
        page.show(
            Text(f"{run.problems} lists the rows that are not in {run.request.out.name}, and why.")
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


def _format_summary(run: BatchRun) -> str:
    report = run.report
    people = format_count(report.done - report.resumed, "person", "people")
    parts = [f"Recommended to {people} in {format_seconds(report.seconds)}"]
    if report.resumed:
        parts.append(f"{report.resumed:,} {'was' if report.resumed == 1 else 'were'} done before")
    if report.skipped:
        parts.append(f"{format_count(report.skipped, 'row')} could not be used")
    if not report.finished:
        parts.append(f"about {_count_left(run):,} are left")
    out = f" The lists are in {run.request.out}." if report.done or report.finished else ""
    return f"{'; '.join(parts)}.{out}"


def _count_left(run: BatchRun) -> int:
    report = run.report
    return 0 if report.finished else max(0, report.people - report.done - report.skipped)


def _as_dict(run: BatchRun) -> dict[str, object]:
    report, request = run.report, run.request
    return {
        "tree": str(request.tree),
        "people": str(request.people),
        "out": str(request.out),
        "problems": str(run.problems) if run.problems else None,
        "judge": report.judge,
        "run": run.run,
        "total": report.done + report.skipped if report.finished else report.people,
        "done": report.done,
        "resumed": report.resumed,
        "skipped": report.skipped,
        "failed": len(report.failed),
        "left": _count_left(run),
        "usage": {
            **{str(stage): usage.as_dict() for stage, usage in report.usage.items()},
            "total": report.total_usage().as_dict(),
        },
        **({"cache": run.cache} if run.cache else {}),
        "cost": _by_currency(report.cost),
        "known_cost": _by_currency(report.known_cost),
        "finished": report.finished,
        "stopped": report.stopped.problem if report.stopped else None,
        "seconds": round(report.seconds, 3),
    }


def _by_currency(money: Money | None) -> dict[str, float] | None:
    return {money.currency: money.amount} if money else None
