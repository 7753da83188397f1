"""What the fake server saw, for people and as JSON."""

from __future__ import annotations

from dataclasses import asdict

from rich.text import Text

from unillmrec.cli.mock.run import Mocked
from unillmrec.cli.shared.output import Page, format_count, show_json


def show_mocked(mocked: Mocked, *, as_json: bool) -> None:
    """Show requests, statuses, and what would stand on the bill."""
    if as_json:
        statuses = {str(status): count for status, count in mocked.statuses.items()}
        billed = mocked.billed.as_dict()
        for ours in ("estimated_prompt", "estimated_completion"):
            del billed[ours]
        show_json({**asdict(mocked), "statuses": statuses, "billed": billed})
        return
    bill = mocked.billed
    answered = ", ".join(f"{count:,} with {status}" for status, count in mocked.statuses.items())
    connections = format_count(mocked.connections, "connection")
    came = f"{format_count(mocked.requests, 'request')} over {connections}"
    page = Page()
    page.show(
        Text(f"{came}, at most {mocked.most_at_once} at once. Answered: {answered or 'none'}.")
    )
    page.show(
        Text(
            f"Billed: {format_count(bill.calls, 'call')}, {bill.prompt:,} prompt tokens"
            f" ({bill.cached:,} of them cached), {bill.completion:,} completion tokens."
        )
    )
