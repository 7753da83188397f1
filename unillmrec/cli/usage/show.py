"""Print what calls cost, as text or JSON."""

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
from unillmrec.cli.usage.run import UsageSummary
from unillmrec.usage_log import EstimateError, UsageLine

SHOWN = 40
# More lines than this are not listed in a sentence.
MOST_PARTS = 8


def show_usage(summary: UsageSummary, *, as_json: bool) -> None:
    """Print the sums, and for how many calls a count is unknown."""
    if as_json:
        show_json(
            {
                "log": str(summary.log),
                "by": summary.by,
                "since": summary.since.isoformat() if summary.since else None,
                "lines": [line.as_dict() for line in summary.lines],
                "total": summary.total.as_dict(),
            }
        )
        return
    page = Page()
    total = summary.total
    since = f" since {summary.since:%Y-%m-%d}" if summary.since else ""
    if not total.rows:
        page.show(Text(f"No call was logged in {summary.log}{since}."))
        return
    lines = summary.lines[-SHOWN:]
    named = {
        printable(f"{line.key} {line.command}" if summary.by == "run" else line.key): line.usage
        for line in lines
    }
    show_bill(page, named, total.usage, first=summary.by)
    page.blank()
    page.show(Text(" ".join(_format_calls(total, since))))
    for sentence in _format_details(summary, lines):
        page.show(Text(sentence))
    if len(lines) < len(summary.lines):
        hidden = len(summary.lines) - len(lines)
        note = f"The last {SHOWN} lines are shown; {hidden:,} more are in --json, or use --since."
        page.show(Text(note, style="dim"))


def _format_calls(total: UsageLine, since: str) -> Iterator[str]:
    """Yield sentences about the number of calls, retries, failures and unknown counts."""
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
            f"For {total.unknown:,} of them the server reported no count; the others took "
            f"{usage.known_prompt:,} prompt and {usage.known_completion:,} completion tokens."
        )


def _format_details(summary: UsageSummary, lines: Sequence[UsageLine]) -> Iterator[str]:
    """Yield sentences about the error of our estimates and the cost, in total and by line."""
    for what, error in (("prompts", "prompt_error"), ("completions", "completion_error")):
        if (total_error := _format_error(getattr(summary.total, error))) is None:
            continue
        each = [(line.key, _format_error(getattr(line, error))) for line in lines]
        parts = [f"{printable(key)} {share}" for key, share in each if share]
        details = f" ({', '.join(parts)})" if 1 < len(parts) <= MOST_PARTS else ""
        yield f"Estimates of {what} were {total_error} off the server's counts{details}."
    costs = summary.total.costs
    if costs.known:
        each = [(line.key, format_costs(line.costs.known)) for line in lines if line.costs.known]
        parts = [f"{printable(key)} {cost}" for key, cost in each]
        details = f" ({', '.join(parts)})" if 1 < len(parts) <= MOST_PARTS else ""
        yield f"Cost: {'at least ' * bool(costs.unpriced)}{format_costs(costs.known)}{details}."
    if costs.unpriced:
        calls = format_count(costs.unpriced, "call")
        yield f"The cost of {calls} is unknown: no price, or no token count."


def _format_error(error: EstimateError) -> str | None:
    return None if error.share is None else f"{error.share:+.1%}"


def format_costs(sums: Mapping[str, float]) -> str:
    """Format amounts by currency."""
    return " and ".join(format_money(amount, name) for name, amount in sums.items())
