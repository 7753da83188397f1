"""What something would cost, for people and as JSON; of which nothing was sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rich.text import Text

from unillmrec.cli.shared.output import Page, counted, in_seconds, numbers_table, show_json
from unillmrec.planning.planner import Plan, PlanLine, Span
from unillmrec.planning.shared_prefixes import SharedTokens
from unillmrec.prices import told_amount

COUNTED = {
    "exact": "counted with the model's own vocabulary",
    "estimate": "counted with o200k; another vocabulary differs by up to a third",
    "rough": "estimated from characters; the vocabulary could not be loaded",
    "calibrated": "counted with o200k, times what past answers of this model came to",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A plan, and what is said round it.

    *what* it is of, the people it was *judged_by*, if there are more, what its prompts have
    *shared*, and what else the JSON holds.
    """

    plan: Plan
    what: str
    model: str | None
    walked: bool = False
    judged_by: str = ""
    shared: SharedTokens | None = None
    about: Mapping[str, object] = field(default_factory=dict)


def show_plan(told: Told, *, as_json: bool) -> None:
    """Show calls and tokens by stage with their interval, then time and money."""
    plan = told.plan
    methods = list(dict.fromkeys(line.counted for line in plan.lines.values()))
    if as_json:
        currency = plan.currency or None
        notes = {"currency": currency, "counted": methods, "notes": list(plan.notes)}
        prefix = {"prefix": told.shared.as_dict()} if told.shared else {}
        show_json({"plan": plan.as_dict(), "model": told.model, **notes, **told.about, **prefix})
        return
    page = Page()
    if not plan.lines:
        page.show(Text("No model would have to be asked; nothing was sent."))
        return
    about = told.model or "any model"
    page.show(Text(f"{told.what} by {about} would take about this; nothing was sent.\n"))
    show_plan_lines(page, plan)
    page.blank()
    page.show(Text(f"In all {told_total(plan)}"))
    if told.shared:
        page.show(Text(f"{told_shared(told.shared)}."))
    page.show(Text(" ".join(_small_print(told, methods)), style="dim"))


def told_shared(shared: SharedTokens) -> str:
    """Say what a prefix cache is good for."""
    return f"A prefix cache can serve about {shared.shared:,} prompt tokens ({shared.share:.0%})"


def show_plan_lines(page: Page, plan: Plan) -> None:
    """Show a plan as a table."""
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


def told_total(plan: Plan, *, to: str = "") -> str:
    """Say in one line what all of it would take."""
    total = plan.total
    calls = counted(round(total.calls.likely), "call")
    between = f"{round(total.tokens.low):,} to {round(total.tokens.high):,}"
    tokens = f"about {total.tokens.likely:,.0f} tokens ({between})"
    parts = [f"{calls} to {to}" if to else calls, tokens]
    parts += filter(None, (_told_time(total), _told_cost(total, plan.currency)))
    return f"{', '.join(parts)}."


def _told_time(line: PlanLine) -> str:
    span = line.seconds
    if span is None or not span.likely:
        return ""
    ends = f"{in_seconds(span.low)} to {in_seconds(span.high)}"
    return f"about {in_seconds(span.likely)} of waiting ({ends})"


def _told_cost(line: PlanLine, currency: str) -> str:
    if line.cost is None or not currency:
        return ""
    return f"about {told_money(line.cost.likely, currency)} ({_between(line.cost)})"


def _between(span: Span) -> str:
    return f"{told_amount(span.low)} to {told_amount(span.high)}"


def told_money(amount: float, currency: str) -> str:
    """Return an amount with its currency."""
    return f"{currency} {told_amount(amount)}"


def _small_print(told: Told, methods: list[str]) -> Iterator[str]:
    plan = told.plan
    if told.judged_by:
        yield f"Judged by {told.judged_by}."
    counted_so = [COUNTED[method.partition("(")[0]] for method in methods]
    if counted_so:
        yield f"Tokens are {', or '.join(dict.fromkeys(counted_so))}."
    calibrated = [
        f"{stage} {line.counted}"
        for stage, line in plan.lines.items()
        if line.counted.startswith("calibrated")
    ]
    if calibrated:
        yield f"Answers it rests on: {', '.join(calibrated)}."
    if told.walked:
        yield "The walk is that of the embedded judge; a model may open other branches."
    if "first_prompt" in told.about:
        yield "--json shows the first prompt."
    yield from plan.notes
