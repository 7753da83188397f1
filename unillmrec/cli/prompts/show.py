"""Print prompts, as text or JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from unillmrec.cli.shared.output import Page, format_count, grid, indented, show_json
from unillmrec.errors import PromptError
from unillmrec.prompts import Prompt, PromptSet

SHOWN_PROBLEMS = 12


def show_prompts(prompts: PromptSet, *, as_json: bool) -> None:
    """Print name, digest, placeholders and source of each prompt."""
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
    """Print a prompt file unchanged."""
    if as_json:
        show_json({**prompt_as_dict(prompt), "text": prompt.text})
        return
    sys.stdout.write(prompt.text if prompt.text.endswith("\n") else prompt.text + "\n")


def show_exported(written: Sequence[Path], *, as_json: bool) -> None:
    """Print which files were written."""
    if as_json:
        show_json({"written": [str(path) for path in written]})
        return
    page = Page()
    for path in written:
        page.show(Text(str(path)))
    hint = f"Edit them, and use them with --prompts {written[0].parent}."
    page.show(Text(hint, style="dim"))


def show_checked(directory: Path, problems: Sequence[PromptError], *, as_json: bool) -> None:
    """Print the problems of the prompts in a folder."""
    if as_json:
        listed = [{"problem": each.problem, "detail": each.detail} for each in problems]
        show_json({"directory": str(directory), "usable": not problems, "problems": listed})
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
    """Return a prompt without its text as a JSON object."""
    return {
        "name": prompt.name,
        "digest": prompt.digest,
        "source": prompt.source,
        "placeholders": sorted(prompt.placeholders),
    }
