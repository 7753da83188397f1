"""What calls cost, for people and as JSON."""

from __future__ import annotations

from rich.text import Text

from unillmrec.cli.render import Page, counted, in_seconds, show_bill, show_json, shown
from unillmrec.cli.spending import Spending

SHOWN = 40


def show_usage(spent: Spending, *, as_json: bool) -> None:
    """Show the sums, and of how many calls something is unknown."""
    if as_json:
        show_json(
            {
                "log": str(spent.log),
                "by": spent.by,
                "since": spent.since.isoformat() if spent.since else None,
                "lines": [line.as_dict() for line in spent.lines],
                "total": spent.total.as_dict(),
            }
        )
        return
    page = Page()
    total = spent.total
    since = f" since {spent.since:%Y-%m-%d}" if spent.since else ""
    if not total.rows:
        page.show(Text(f"No call was logged in {spent.log}{since}."))
        return
    lines = spent.lines[-SHOWN:]
    named = {
        shown(f"{line.key} {line.command}" if spent.by == "run" else line.key): line.usage
        for line in lines
    }
    show_bill(page, named, total.usage, first=spent.by)
    page.blank()
    told = f"{counted(total.usage.calls, 'call')}{since}, {in_seconds(total.seconds)} of waiting."
    if total.failed:
        told += f" {total.failed:,} failed."
    if total.unknown:
        told += f" Of {total.unknown:,} the server did not say what they cost."
    page.show(Text(told))
    if len(lines) < len(spent.lines):
        hidden = len(spent.lines) - len(lines)
        note = f"The last {SHOWN} lines are shown; {hidden:,} more are in --json, or use --since."
        page.show(Text(note, style="dim"))
