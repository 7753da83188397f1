"""What an endpoint can do, for people and as JSON."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from unillmrec.cli.doctor.run import Examined, Forgotten
from unillmrec.cli.shared.output import Page, hanging, in_seconds, show_json, shown
from unillmrec.endpoint.capabilities.request_style import RequestStyle
from unillmrec.endpoint.contract import ResponseFormat

_ASKS: dict[ResponseFormat, str] = {
    "json_schema": "schema",
    "json_object": "object",
    "text": "text",
}
_TOLD = {
    "labels": "by the probabilities of letters: one token of output for each",
    "schema": "with a JSON schema",
    "object": "for a JSON object",
    "text": "for text, of which what can be read is read",
}
_GOOD = {"listed", "no", "taken", "enforced", "works", "plausible", "reported", "fits"} | {
    "usable",
    "measured",
}
_BAD = {"not listed", "cut", "ignored", "refused", "implausible", "too long"}


def show_examination(examined: Examined, *, as_json: bool) -> None:
    """Show each finding, the way of asking that follows, and what would help."""
    made = examined.examination
    if as_json:
        show_json(
            {
                "base_url": made.base_url,
                "model": made.model,
                "usable": True,
                "findings": [
                    {"name": each.name, "outcome": each.outcome, "detail": each.detail}
                    for each in made.findings
                ],
                "way": _way(made.way),
                "advice": [{"name": name, "advice": advice} for name, advice in made.advice],
                "label_bias": dict(made.label_bias),
                "usage": made.usage.as_dict(),
                "seconds": round(made.seconds, 3),
                "memory": str(examined.memory) if examined.memory else None,
            }
        )
        return
    page = Page()
    page.show(Text(f"{made.model} at {made.base_url}", style="bold"))
    page.blank()
    _show_findings(page, examined)
    page.blank()
    way = _way(made.way)
    page.show(Text(f"Branches are asked about {_TOLD[str(way['branches'])]}."))
    if way["branches"] != way["others"]:
        page.show(Text(f"Everything else is asked {_TOLD[str(way['others'])]}."))
    for name, advice in made.advice:
        page.show(hanging(Text(f"{name}: {advice}.", style="yellow"), 2))
    page.blank()
    page.show(Text(_told_cost(examined), style="dim"))


def _show_findings(page: Page, examined: Examined) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", style="dim")
    for each in examined.examination.findings:
        style = "green" if each.outcome in _GOOD else "red" if each.outcome in _BAD else ""
        table.add_row(each.name, Text(each.outcome, style=style), Text(shown(each.detail)))
    page.show(table)


def show_forgotten(forgotten: Forgotten, *, as_json: bool) -> None:
    """Say whether anything was known."""
    if as_json:
        show_json(
            {
                "base_url": forgotten.base_url,
                "model": forgotten.model,
                "forgotten": forgotten.forgotten,
                "memory": str(forgotten.memory) if forgotten.memory else None,
            }
        )
        return
    about = f"{forgotten.model} at {forgotten.base_url}"
    told = f"Forgot {about}." if forgotten.forgotten else f"Nothing was known of {about}."
    Page().show(Text(told))


def _way(way: RequestStyle) -> dict[str, object]:
    others = _ASKS[way.response_format]
    return {
        "branches": "labels" if way.labels else others,
        "others": others,
        "limit_parameter": way.limit_parameter,
        "temperature": 0 if way.temperature else None,
    }


def _told_cost(examined: Examined) -> str:
    made = examined.examination
    usage = made.usage
    spent = "an unknown number of"
    if usage.prompt is not None and usage.completion is not None:
        spent = f"{usage.prompt:,} prompt and {usage.completion:,} completion"
    kept = f"Kept in {examined.memory}." if examined.memory else "Kept nowhere: the memory is off."
    return f"{usage.calls} calls, {spent} tokens, {in_seconds(made.seconds)}. {kept}"
