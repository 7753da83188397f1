"""What calls cost, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from unillmrec.cli.shared.output import (
    Page,
    format_count,
    format_seconds,
    printable,
    show_bill,
    show_json,
)
from unillmrec.cli.shared.plan_output import format_money
from unillmrec.cli.usage.run import Spending
from unillmrec.usage_log import Error, Line

SHOWN = 40
# More than this is a table, not a sentence.
MOST_PARTS = 8


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
        printable(f"{line.key} {line.command}" if spent.by == "run" else line.key): line.usage
        for line in lines
    }
    show_bill(page, named, total.usage, first=spent.by)
    page.blank()
    page.show(Text(" ".join(_told(total, since))))
    for told in _told_parts(spent, lines):
        page.show(Text(told))
    if len(lines) < len(spent.lines):
        hidden = len(spent.lines) - len(lines)
        note = f"The last {SHOWN} lines are shown; {hidden:,} more are in --json, or use --since."
        page.show(Text(note, style="dim"))


def _told(total: Line, since: str) -> Iterator[str]:
    """Say how many calls there were, what became of them, and what is not known."""
    calls = format_count(total.usage.calls, "call")
    yield f"{calls}{since}, {format_seconds(total.seconds)} of waiting."
    if total.retries:
        yield f"{format_count(total.retries, 'retry', 'retries')}."
    if total.again:
        yield f"{format_count(total.again, 'question')} asked again."
    if total.failed:
        yield f"{total.failed:,} failed."
    if total.unknown:
        usage = total.usage
        yield (
            f"Of {total.unknown:,} the server did not say what they cost; the others took "
            f"{usage.known_prompt:,} prompt and {usage.known_completion:,} completion tokens."
        )


def _told_parts(spent: Spending, lines: Sequence[Line]) -> Iterator[str]:
    """Say how far the estimates were off, and what it cost, in all and line by line."""
    for what, error in (("prompts", "prompt_error"), ("completions", "completion_error")):
        if (whole := _told_error(getattr(spent.total, error))) is None:
            continue
        each = [(line.key, _told_error(getattr(line, error))) for line in lines]
        parts = [f"{printable(key)} {share}" for key, share in each if share]
        beside = f" ({', '.join(parts)})" if 1 < len(parts) <= MOST_PARTS else ""
        yield f"Estimates of {what} were {whole} off what the server reported{beside}."
    costs = spent.total.costs
    if costs.known:
        each = [(line.key, told_costs(line.costs.known)) for line in lines if line.costs.known]
        parts = [f"{printable(key)} {cost}" for key, cost in each]
        beside = f" ({', '.join(parts)})" if 1 < len(parts) <= MOST_PARTS else ""
        yield f"Cost: {'at least ' * bool(costs.unpriced)}{told_costs(costs.known)}{beside}."
    if costs.unpriced:
        calls = format_count(costs.unpriced, "call")
        yield f"What {calls} cost is not known: no price, or no count of tokens."


def _told_error(error: Error) -> str | None:
    return None if error.share is None else f"{error.share:+.1%}"


def told_costs(sums: Mapping[str, float]) -> str:
    """Return amounts by currency in words."""
    return " and ".join(format_money(amount, name) for name, amount in sums.items())
