"""Print what a fake server has seen, as text or JSON."""

from __future__ import annotations

from dataclasses import asdict

from rich.text import Text

from unillmrec.cli.mock.run import MockSummary
from unillmrec.cli.shared.output import Page, format_count, show_json


def show_summary(summary: MockSummary, *, as_json: bool) -> None:
    """Print requests, statuses, and the tokens that would be billed."""
    if as_json:
        statuses = {str(status): count for status, count in summary.statuses.items()}
        billed = summary.billed.as_dict()
        for ours in ("estimated_prompt", "estimated_completion"):
            del billed[ours]
        show_json({**asdict(summary), "statuses": statuses, "billed": billed})
        return
    bill = summary.billed
    answered = ", ".join(f"{count:,} with {status}" for status, count in summary.statuses.items())
    connections = format_count(summary.connections, "connection")
    came = f"{format_count(summary.requests, 'request')} over {connections}"
    page = Page()
    page.show(
        Text(f"{came}, at most {summary.most_at_once} at once. Answered: {answered or 'none'}.")
    )
    page.show(
        Text(
            f"Billed: {format_count(bill.calls, 'call')}, {bill.prompt:,} prompt tokens"
            f" ({bill.cached:,} of them cached), {bill.completion:,} completion tokens."
        )
    )
