"""Print the outcome of a change, as text or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from rich.text import Text

from unillmrec.cli.changes.run import ChangeOutcome
from unillmrec.cli.shared.output import (
    Page,
    facts_table,
    format_count,
    format_seconds,
    printable,
    show_bill,
    show_json,
    show_skipped,
)


def show_changes(outcome: ChangeOutcome, *, as_json: bool) -> None:
    """Print what was changed, what it cost, and what to do next."""
    if as_json:
        show_json(changes_as_dict(outcome))
        return
    page = Page()
    items = format_count(outcome.items, "item")
    page.show(Text.assemble((printable(str(outcome.tree)), "bold"), f"  {items} now"))
    page.show(facts_table(_facts(outcome)))
    if outcome.bill.by_stage():
        page.blank()
        lines = {str(stage): usage for stage, usage in outcome.bill.by_stage().items()}
        show_bill(page, lines, outcome.bill.total())
    if outcome.reader is not None:
        show_skipped(page, outcome.reader)
    if outcome.stale:
        page.blank()
        command = f"unillmrec describe {outcome.tree} --stale"
        page.show(Text.assemble("Next: ", (command, "bold")))


def changes_as_dict(outcome: ChangeOutcome) -> dict[str, object]:
    """Return the outcome as a JSON object."""
    reader = outcome.reader
    skipped = reader.skipped if reader else []
    usage = {str(stage): usage.as_dict() for stage, usage in outcome.bill.by_stage().items()}
    return {
        "tree": str(outcome.tree),
        "items": outcome.items,
        **asdict(outcome.report),
        "seconds": round(outcome.report.seconds, 3),
        "stale": outcome.stale,
        "skipped_count": reader.skipped_count if reader else 0,
        "skipped": [{"line": each.line, "problem": each.problem} for each in skipped],
        "usage": {**usage, "total": outcome.bill.total().as_dict()},
    }


def _facts(outcome: ChangeOutcome) -> Iterator[tuple[str, str]]:
    report = outcome.report
    items = {
        "inserted": report.inserted,
        "updated": report.updated,
        "deleted": report.deleted,
        "unchanged": report.unchanged,
        "not in the tree": report.ignored,
    }
    yield "items", _listed(items) or "nothing to change"
    nodes = {
        "split": report.splits,
        "merged": report.merges,
        "rebuilt": report.regrown,
        "described again": report.refreshed,
    }
    if any(nodes.values()):
        yield "nodes", _listed(nodes)
    if outcome.stale:
        descriptions = format_count(outcome.stale, "model-written description")
        yield "stale", f"{descriptions} out of date"
    yield "time", format_seconds(report.seconds)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
