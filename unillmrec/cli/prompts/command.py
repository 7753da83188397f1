"""`unillmrec prompts`: list, show, export and check prompts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from unillmrec.cli.flags.declare import as_command
from unillmrec.cli.help import Group, documented
from unillmrec.cli.prompts.request import FolderRequest, ListRequest, ShowRequest

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
    ("directory, usable", "the folder, and whether its prompts can be used"),
    ("problems", "a list of problem, detail"),
)

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog=EXAMPLES,
    help="List, show, export and check prompts.",
)


def list_prompts(request: ListRequest) -> None:
    """List the prompts in use."""
    from unillmrec.cli.prompts.show import show_prompts

    show_prompts(_prompts_in_use(request.prompts), as_json=request.json)


def show(request: ShowRequest) -> None:
    """Print one prompt, including its comment."""
    from unillmrec.cli.prompts.show import show_prompt

    show_prompt(_prompts_in_use(request.prompts)[request.name], as_json=request.json)


def export(request: FolderRequest) -> None:
    """Write the bundled prompts to a folder, to edit them; existing files are not replaced."""
    from unillmrec.cli.prompts.show import show_exported

    written = _prompts_in_use(None, bundled=True).export(request.directory)
    show_exported(written, as_json=request.json)


def check(request: FolderRequest) -> None:
    """Check whether the prompts in a folder can be used; exit with 3 if not."""
    from unillmrec.cli.prompts.show import show_checked

    problems = _prompts_in_use(None, bundled=True).check(request.directory)
    show_checked(request.directory, problems, as_json=request.json)
    if problems:
        raise typer.Exit(problems[0].exit_code)


for _name, _function, _examples, _fields in (
    ("list", as_command(list_prompts), LIST_EXAMPLES, LIST_FIELDS),
    ("show", as_command(show), "unillmrec prompts show rank", SHOW_FIELDS),
    ("export", as_command(export), "unillmrec prompts export my-prompts", EXPORT_FIELDS),
    ("check", as_command(check), "unillmrec prompts check my-prompts", CHECK_FIELDS),
):
    app.command(_name, cls=documented(_examples, _fields))(_function)


def _prompts_in_use(folder: Path | None, *, bundled: bool = False) -> PromptSet:
    """Return the prompts of the settings, or the bundled ones alone."""
    from unillmrec.judge import CONTRACTS
    from unillmrec.prompts import PromptSet
    from unillmrec.settings import Settings

    overlay = None if bundled else Settings.resolve({"prompts": folder}).prompts
    return PromptSet.load(CONTRACTS, overlay)
