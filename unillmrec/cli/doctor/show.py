"""Print what an endpoint supports, as text or JSON."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from unillmrec.cli.doctor.run import ForgottenEndpoint, StoredReport
from unillmrec.cli.shared.output import Page, format_seconds, indented, printable, show_json
from unillmrec.endpoint.capabilities.request_style import RequestStyle
from unillmrec.endpoint.contract import ResponseFormat

_STYLES: dict[ResponseFormat, str] = {
    "json_schema": "schema",
    "json_object": "object",
    "text": "text",
}
_IN_WORDS = {
    "labels": "by the probabilities of letters: one token of output for each",
    "schema": "with a JSON schema",
    "object": "for a JSON object",
    "text": "for text, and reads what it can of the reply",
}
_GOOD = {"listed", "no", "accepted", "enforced", "works", "plausible", "reported", "fits"} | {
    "usable",
    "measured",
}
_BAD = {"not listed", "cut", "ignored", "refused", "implausible", "too long"}


def show_probe_report(report: StoredReport, *, as_json: bool) -> None:
    """Print each finding, the request style that follows, and advice."""
    results = report.results
    if as_json:
        show_json(
            {
                "base_url": results.base_url,
                "model": results.model,
                "usable": True,
                "findings": [
                    {"name": each.name, "outcome": each.outcome, "detail": each.detail}
                    for each in results.findings
                ],
                "way": _way(results.style),
                "advice": [{"name": name, "advice": advice} for name, advice in results.advice],
                "label_bias": dict(results.label_bias),
                "usage": results.usage.as_dict(),
                "seconds": round(results.seconds, 3),
                "memory": str(report.memory) if report.memory else None,
            }
        )
        return
    page = Page()
    page.show(Text(f"{results.model} at {results.base_url}", style="bold"))
    page.blank()
    _show_findings(page, report)
    page.blank()
    way = _way(results.style)
    page.show(Text(f"Branches are asked about {_IN_WORDS[str(way['branches'])]}."))
    if way["branches"] != way["others"]:
        page.show(Text(f"Everything else is asked {_IN_WORDS[str(way['others'])]}."))
    for name, advice in results.advice:
        page.show(indented(Text(f"{name}: {advice}.", style="yellow"), 2))
    page.blank()
    page.show(Text(_format_cost(report), style="dim"))


def _show_findings(page: Page, report: StoredReport) -> None:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", style="dim")
    for each in report.results.findings:
        style = "green" if each.outcome in _GOOD else "red" if each.outcome in _BAD else ""
        table.add_row(each.name, Text(each.outcome, style=style), Text(printable(each.detail)))
    page.show(table)


def show_forgotten(forgotten: ForgottenEndpoint, *, as_json: bool) -> None:
    """Print whether anything was stored."""
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
    deleted = f"Deleted what was stored about {about}."
    Page().show(Text(deleted if forgotten.forgotten else f"Nothing was stored about {about}."))


def _way(way: RequestStyle) -> dict[str, object]:
    others = _STYLES[way.response_format]
    return {
        "branches": "labels" if way.labels else others,
        "others": others,
        "limit_parameter": way.limit_parameter,
        "temperature": 0 if way.temperature else None,
    }


def _format_cost(report: StoredReport) -> str:
    results = report.results
    usage = results.usage
    spent = "an unknown number of"
    if usage.prompt is not None and usage.completion is not None:
        spent = f"{usage.prompt:,} prompt and {usage.completion:,} completion"
    stored = f"Stored in {report.memory}." if report.memory else "Not stored: the memory is off."
    return f"{usage.calls} calls, {spent} tokens, {format_seconds(results.seconds)}. {stored}"
