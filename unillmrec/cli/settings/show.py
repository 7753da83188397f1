"""Print settings, as text or JSON."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from unillmrec.cli.shared.output import Page, printable, show_json
from unillmrec.settings import Settings


def show_settings(settings: Settings, *, as_json: bool) -> None:
    """Print each setting with its value, its origin, and problems."""
    explained = settings.explain()
    if as_json:
        show_json(
            {
                "settings": [
                    {
                        "name": each.name,
                        "value": each.value_shown,
                        "origin": each.origin,
                        "problem": each.problem,
                    }
                    for each in explained
                ],
                "has_endpoint": settings.has_endpoint,
            }
        )
        return
    page = Page()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold", style="dim")
    for each in explained:
        style = "dim" if each.origin == "default" else ""
        table.add_row(each.name, Text(printable(each.value_shown), style=style), each.origin)
    page.show(table)
    page.blank()
    for each in explained:
        if each.problem:
            page.show(Text(f"{each.name}: {each.problem}", style="yellow"))
    consequence = (
        f"{settings.model} is asked" if settings.has_endpoint else "no language model is asked"
    )
    if settings.judge == "embedded":
        consequence = "the embedded similarity judge answers"
    page.show(Text(f"With these settings, {consequence}."))
