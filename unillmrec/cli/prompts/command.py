"""`unillmrec prompts`: what a model is asked, and how to ask it otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from unillmrec.cli.help import Group, documented
from unillmrec.cli.shared import options as shared

if TYPE_CHECKING:
    from unillmrec.prompts import PromptSet

EXAMPLES = """\
unillmrec prompts list
unillmrec prompts show rank
unillmrec prompts export my-prompts
unillmrec prompts check my-prompts
"""
LIST_EXAMPLES = """\
unillmrec prompts list
unillmrec prompts list --prompts my-prompts
"""
LIST_FIELDS = (("prompts", "a list of name, digest, source, placeholders"),)
SHOW_FIELDS = (("name, digest, source, placeholders, text", "of the prompt"),)
EXPORT_FIELDS = (("written", "a list of files"),)
CHECK_FIELDS = (
    ("directory, usable", "which folder, and whether it can be used"),
    ("problems", "a list of problem, detail"),
)

Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="A prompt, such as rank.")]
Folder: TypeAlias = Annotated[Path, typer.Argument(metavar="DIR", help="A folder of prompts.")]

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EXAMPLES,
    help="Show, export and check what a model is asked.",
)


@app.command("list", cls=documented(LIST_EXAMPLES, LIST_FIELDS))
def show_all(prompts: shared.Prompts = None, json: shared.Json = False) -> None:
    """List the prompts in use."""
    from unillmrec.cli.settings.show import show_prompts

    show_prompts(_in_use(prompts), as_json=json)


@app.command("show", cls=documented("unillmrec prompts show rank", SHOW_FIELDS))
def show_one(name: Name, prompts: shared.Prompts = None, json: shared.Json = False) -> None:
    """Print one prompt, comment and all."""
    from unillmrec.cli.settings.show import show_prompt

    show_prompt(_in_use(prompts)[name], as_json=json)


@app.command("export", cls=documented("unillmrec prompts export my-prompts", EXPORT_FIELDS))
def export(directory: Folder, json: shared.Json = False) -> None:
    """Write the bundled prompts into a folder, to be edited; nothing there is replaced."""
    from unillmrec.cli.settings.show import show_exported
    from unillmrec.judge import CONTRACTS
    from unillmrec.prompts import PromptSet

    show_exported(PromptSet.load(CONTRACTS).export(directory), as_json=json)


@app.command("check", cls=documented("unillmrec prompts check my-prompts", CHECK_FIELDS))
def check(directory: Folder, json: shared.Json = False) -> None:
    """Say whether the prompts in a folder can be used; exit with 3 if not."""
    from unillmrec.cli.settings.show import show_checked
    from unillmrec.judge import CONTRACTS
    from unillmrec.prompts import PromptSet

    problems = PromptSet.load(CONTRACTS).check(directory)
    show_checked(directory, problems, as_json=json)
    if problems:
        raise typer.Exit(problems[0].exit_code)


def _in_use(folder: Path | None) -> PromptSet:
    from unillmrec.judge import CONTRACTS
    from unillmrec.prompts import PromptSet
    from unillmrec.settings import Settings

    return PromptSet.load(CONTRACTS, Settings.resolve({"prompts": folder}).prompts)
