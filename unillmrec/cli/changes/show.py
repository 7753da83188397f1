"""What a change did, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from rich.text import Text

from unillmrec.cli.changes.run import Changed
from unillmrec.cli.shared.output import (
    Page,
    counted,
    facts,
    hanging,
    in_seconds,
    show_bill,
    show_json,
    shown,
)

SHOWN_SKIPPED = 10


def show_changed(changed: Changed, *, as_json: bool) -> None:
    """Show what was changed."""
    if as_json:
        show_json(changed_as_dict(changed))
        return
    page = Page()
    items = counted(changed.items, "item")
    page.show(Text.assemble((shown(str(changed.tree)), "bold"), f"  {items} now"))
    page.show(facts(_facts(changed)))
    if changed.bill.by_stage():
        page.blank()
        lines = {str(stage): usage for stage, usage in changed.bill.by_stage().items()}
        show_bill(page, lines, changed.bill.total())
    reader = changed.reader
    if reader is not None and reader.skipped_count:
        page.blank()
        page.show(Text(f"Skipped {counted(reader.skipped_count, 'row')}:", style="yellow"))
        for each in reader.skipped[:SHOWN_SKIPPED]:
            page.show(hanging(f"{reader.name}:{each.line}: {shown(each.problem, 200)}", 2))
        if reader.skipped_count > SHOWN_SKIPPED:
            more = reader.skipped_count - SHOWN_SKIPPED
            page.show(hanging(Text(f"and {more:,} more; --json lists them", style="dim"), 2))
    if changed.stale:
        page.blank()
        command = f"unillmrec describe {changed.tree} --stale"
        page.show(Text.assemble("Next: ", (command, "bold")))


def changed_as_dict(changed: Changed) -> dict[str, object]:
    """Return a change as the JSON output gives it."""
    report, reader = changed.report, changed.reader
    told = asdict(report)
    told["seconds"] = round(report.seconds, 3)
    skipped = reader.skipped if reader else []
    return {
        "tree": str(changed.tree),
        "items": changed.items,
        **told,
        "stale": changed.stale,
        "skipped_count": reader.skipped_count if reader else 0,
        "skipped": [{"line": each.line, "problem": each.problem} for each in skipped],
        "usage": {
            **{str(stage): usage.as_dict() for stage, usage in changed.bill.by_stage().items()},
            "total": changed.bill.total().as_dict(),
        },
    }


def _facts(changed: Changed) -> Iterator[tuple[str, str]]:
    report = changed.report
    items = {
        "inserted": report.inserted,
        "updated": report.updated,
        "deleted": report.deleted,
        "unchanged": report.unchanged,
        "not there": report.ignored,
    }
    told = ", ".join(f"{count:,} {what}" for what, count in items.items() if count)
    yield "items", told or "nothing to change"
    shape = {
        "parted": report.splits,
        "merged": report.merges,
        "grown anew": report.regrown,
        "described anew": report.refreshed,
    }
    nodes = ", ".join(f"{count:,} {what}" for what, count in shape.items() if count)
    if nodes:
        yield "nodes", nodes
    if changed.stale:
        yield "stale", f"{counted(changed.stale, 'line')} by a model out of date"
    yield "time", in_seconds(report.seconds)
