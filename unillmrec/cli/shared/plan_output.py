"""Print the estimated cost of a command, as text or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from unillmrec.cli.shared.output import Page, format_count, format_seconds, numbers_table, show_json
from unillmrec.prices import format_amount

if TYPE_CHECKING:
    from unillmrec.planning.plan import Interval, Plan, PlanLine
    from unillmrec.planning.shared_prefixes import SharedTokens

COUNTED = {
    "exact": "counted with the model's own vocabulary",
    "estimate": "counted with o200k; another vocabulary differs by up to a third",
    "rough": "estimated from characters; the vocabulary could not be loaded",
    "calibrated": "counted with o200k, corrected by past replies of this model",
}


@dataclass(frozen=True, slots=True)
class PlanReport:
    """A plan, and the words to print with it.

    *what* names the planned work. *sampled* names the people whose walks were counted, if they
    stand for more. *walked* is whether the embedded judge walked in place of the model. *shared*
    is what a prefix cache can serve. *about* goes into the JSON as well.
    """

    plan: Plan
    what: str
    model: str | None
    walked: bool = False
    sampled: str = ""
    shared: SharedTokens | None = None
    about: Mapping[str, object] = field(default_factory=dict)


def show_plan(report: PlanReport, *, as_json: bool) -> None:
    """Print calls and tokens by stage with their interval, then time and money."""
    from rich.text import Text

    plan = report.plan
    methods = list(dict.fromkeys(line.counted for line in plan.lines.values()))
    if as_json:
        currency = plan.currency or None
        notes = {"currency": currency, "counted": methods, "notes": list(plan.notes)}
        prefix = {"prefix": report.shared.as_dict()} if report.shared else {}
        show_json(
            {"plan": plan.as_dict(), "model": report.model, **notes, **report.about, **prefix}
        )
        return
    page = Page()
    if not plan.lines:
        page.show(Text("No calls are needed; nothing was sent."))
        return
    about = report.model or "any model"
    page.show(Text(f"{report.what} by {about} would need about this; nothing was sent.\n"))
    show_plan_table(page, plan)
    page.blank()
    page.show(Text(f"In total {format_total(plan)}"))
    if report.shared:
        page.show(Text(f"{format_prefix(report.shared)}."))
    page.show(Text(" ".join(_small_print(report, methods)), style="dim"))


def format_prefix(shared: SharedTokens) -> str:
    """Return how many prompt tokens a prefix cache can serve."""
    return f"A prefix cache can serve about {shared.shared:,} prompt tokens ({shared.share:.0%})"


def show_plan_table(page: Page, plan: Plan) -> None:
    """Print a plan as a table."""
    table = numbers_table("stage", ["calls", "prompt", "completion", "tokens between"])
    lines = [(str(stage), line) for stage, line in plan.lines.items()]
    for name, line in [*lines, ("total", plan.total)] if len(lines) != 1 else lines:
        likely = (line.calls.likely, line.prompt.likely, line.completion.likely)
        table.add_row(
            name,
            *(f"{round(each):,}" for each in likely),
            f"{round(line.tokens.low):,} to {round(line.tokens.high):,}",
            style="bold" if name == "total" else "",
        )
    page.show(table)


def format_total(plan: Plan, *, to: str = "") -> str:
    """Return the calls, tokens, time and cost of a plan in one line."""
    total = plan.total
    calls = format_count(round(total.calls.likely), "call")
    between = f"{round(total.tokens.low):,} to {round(total.tokens.high):,}"
    tokens = f"about {total.tokens.likely:,.0f} tokens ({between})"
    parts = [f"{calls} to {to}" if to else calls, tokens]
    parts += filter(None, (_format_time(total), _format_cost(total, plan.currency)))
    return f"{', '.join(parts)}."


def _format_time(line: PlanLine) -> str:
    span = line.seconds
    if span is None or not span.likely:
        return ""
    ends = f"{format_seconds(span.low)} to {format_seconds(span.high)}"
    return f"about {format_seconds(span.likely)} of waiting ({ends})"


def _format_cost(line: PlanLine, currency: str) -> str:
    if line.cost is None or not currency:
        return ""
    return f"about {format_money(line.cost.likely, currency)} ({_between(line.cost)})"


def _between(span: Interval) -> str:
    return f"{format_amount(span.low)} to {format_amount(span.high)}"


def format_money(amount: float, currency: str) -> str:
    """Return an amount with its currency."""
    return f"{currency} {format_amount(amount)}"


def _small_print(report: PlanReport, methods: list[str]) -> Iterator[str]:
    plan = report.plan
    if report.sampled:
        yield f"Estimated from {report.sampled}."
    methods_used = [COUNTED[method.partition("(")[0]] for method in methods]
    if methods_used:
        yield f"Tokens are {', or '.join(dict.fromkeys(methods_used))}."
    calibrated = [
        f"{stage} {line.counted}"
        for stage, line in plan.lines.items()
        if line.counted.startswith("calibrated")
    ]
    if calibrated:
        yield f"Past replies used: {', '.join(calibrated)}."
    if report.walked:
        yield "The embedded judge chose the walk; a model may open other branches."
    if "first_prompt" in report.about:
        yield "--json shows the first prompt."
    yield from plan.notes
