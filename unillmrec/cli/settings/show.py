"""Settings and prompts, for people and as JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from unillmrec.cli.shared.output import Page, format_count, grid, indented, printable, show_json
from unillmrec.errors import PromptError
from unillmrec.prompts import Prompt, PromptSet
from unillmrec.settings import Settings

SHOWN_PROBLEMS = 12


def show_settings(settings: Settings, *, as_json: bool) -> None:
    """Show each setting with its origin, and what will not work."""
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
    asked = f"{settings.model} is asked" if settings.has_endpoint else "no language model is asked"
    if settings.judge == "embedded":
        asked = "the embedded similarity judge answers"
    page.show(Text(f"With these settings, {asked}."))


def show_prompts(prompts: PromptSet, *, as_json: bool) -> None:
    """List the prompts, with what identifies them and what they are filled with."""
    if as_json:
        show_json({"prompts": [prompt_as_dict(each) for each in prompts]})
        return
    table = grid(columns=4)
    for each in prompts:
        names = " ".join(f"${name}" for name in sorted(each.placeholders))
        table.add_row(
            Text(each.name, style="bold"), each.digest, Text(names, style="cyan"), each.source
        )
    Page().show(table)


def show_prompt(prompt: Prompt, *, as_json: bool) -> None:
    """Print a prompt file as it is."""
    if as_json:
        show_json({**prompt_as_dict(prompt), "text": prompt.text})
        return
    sys.stdout.write(prompt.text if prompt.text.endswith("\n") else prompt.text + "\n")


def show_exported(written: Sequence[Path], *, as_json: bool) -> None:
    """Say which files were written."""
    if as_json:
        show_json({"written": [str(path) for path in written]})
        return
    page = Page()
    for path in written:
        page.show(Text(str(path)))
    hint = f"Edit them, and use them with --prompts {written[0].parent}."
    page.show(Text(hint, style="dim"))


def show_checked(directory: Path, problems: Sequence[PromptError], *, as_json: bool) -> None:
    """Say what is wrong with the prompts of a folder."""
    if as_json:
        told = [{"problem": each.problem, "detail": each.detail} for each in problems]
        show_json({"directory": str(directory), "usable": not problems, "problems": told})
        return
    page = Page()
    if not problems:
        page.show(Text(f"The prompts in {directory} can be used."))
        return
    page.show(Text(f"{format_count(len(problems), 'problem')} in {directory}:", style="yellow"))
    before = ""
    for each in problems[:SHOWN_PROBLEMS]:
        page.show(indented(each.problem, 2))
        if each.detail and each.detail != before:
            page.show(indented(Text(each.detail, style="dim"), 4))
        before = each.detail
    if len(problems) > SHOWN_PROBLEMS:
        page.show(indented(f"and {len(problems) - SHOWN_PROBLEMS:,} more", 2))


def prompt_as_dict(prompt: Prompt) -> dict[str, object]:
    """Return what identifies a prompt as the JSON output gives it."""
    return {
        "name": prompt.name,
        "digest": prompt.digest,
        "source": prompt.source,
        "placeholders": sorted(prompt.placeholders),
    }
