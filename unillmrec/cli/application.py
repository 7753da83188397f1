"""The application: all commands, and the options that come before them."""

from __future__ import annotations

from functools import cache
from typing import Annotated

import typer
from typer.main import get_group

from unillmrec.cli.flags.choices import LogFormat, LogLevel
from unillmrec.cli.lazy_group import LazyGroup

EXAMPLES = """\
unillmrec demo
unillmrec build films.jsonl
unillmrec recommend films.tree --like "quiet science fiction"
"""

# Help lists the commands in this order, without importing their modules.
COMMANDS = {
    "demo": (
        "demo.command",
        "Build a tree of 700 bundled books, walk it for a reader, and estimate the cost.",
    ),
    "build": ("build.command", "Build an item tree from a catalog."),
    "recommend": ("recommend.command", "Recommend items of a tree to one person."),
    "batch": ("batch.command", "Recommend items of a tree to many people, one line of JSON each."),
    "insert": ("changes.insert", "Insert new items into a tree."),
    "update": ("changes.update", "Replace items of a tree with new versions."),
    "upsert": ("changes.upsert", "Insert items that are new to a tree, and update the others."),
    "delete": ("changes.delete", "Delete items from a tree."),
    "sync": ("changes.sync", "Make a tree hold exactly the items of a catalog."),
    "describe": ("describe.command", "Describe the branches of a tree with a language model."),
    "evaluate": (
        "evaluate.command",
        "Recommend to people whose last items are held out, and compare with baselines.",
    ),
    "tree": ("tree.command", "Show a tree: its top levels, one node, or where items are."),
    "tree check": ("tree.check.command", "Check a tree, and exit with 3 if something is wrong."),
    "usage": ("usage.command", "Show what calls to endpoints cost."),
    "doctor": ("doctor.command", "Find out what an endpoint supports, and how it will be asked."),
    "mock": ("mock.command", "Start a fake Chat Completions server for tests."),
    "settings": ("settings.command", "Show every setting, its value and its origin."),
    "prompts": ("prompts.command", "List, show, export and check prompts."),
}


class Commands(LazyGroup):
    """All commands of the program."""

    modules = COMMANDS


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"unillmrec {version('unillmrec')}")
        raise typer.Exit


@app.callback()
def unillmrec(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
    log_level: Annotated[
        LogLevel,
        typer.Option(
            "--log-level",
            help="Log events of this level and above to standard error; info logs every call.",
            metavar="debug|info|warning|error",
        ),
    ] = "warning",
    log_format: Annotated[
        LogFormat,
        typer.Option(
            "--log-format",
            help="Log one line of text per event, or one JSON object.",
            metavar="text|json",
        ),
    ] = "text",
) -> None:
    """Recommendations from a language model and a catalog file, without training.

    Build a tree of the catalog once. For each person, a model then walks the tree branch by
    branch, and every token is billed to the stage that spent it.
    """
    from unillmrec.cli.shared.logs import set_up_logs

    set_up_logs(log_level, log_format)


@cache
def commands() -> Commands:
    """Return all commands; their flags are parsed once, not for each call of `main`."""
    group = get_group(app)
    assert isinstance(group, Commands)
    return group
