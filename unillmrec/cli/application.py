"""The application: all commands, and the options that come before them."""

from __future__ import annotations

from functools import cache
from typing import Annotated

import typer
from typer.core import TyperGroup
from typer.main import get_group

from unillmrec.cli.batch import command as batch
from unillmrec.cli.build import command as build
from unillmrec.cli.changes import delete, insert, sync, update, upsert
from unillmrec.cli.demo import command as demo
from unillmrec.cli.describe import command as describe
from unillmrec.cli.doctor import command as doctor
from unillmrec.cli.evaluate import command as evaluate
from unillmrec.cli.flags.declare import as_command
from unillmrec.cli.help import Group, documented
from unillmrec.cli.mock import command as mock
from unillmrec.cli.prompts import command as prompts
from unillmrec.cli.recommend import command as recommend
from unillmrec.cli.settings import command as settings
from unillmrec.cli.shared.logs import LogFormat, LogLevel, set_up_logs
from unillmrec.cli.tree import command as tree
from unillmrec.cli.tree.check import command as check
from unillmrec.cli.usage import command as usage

EXAMPLES = """\
unillmrec demo
unillmrec build films.jsonl
unillmrec recommend films.tree --like "quiet science fiction"
"""

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
# The function of a command is named like the command; help lists them in this order.
for name, module in (
    ("demo", demo),
    ("build", build),
    ("recommend", recommend),
    ("batch", batch),
    ("insert", insert),
    ("update", update),
    ("upsert", upsert),
    ("delete", delete),
    ("sync", sync),
    ("describe", describe),
    ("evaluate", evaluate),
    ("tree", tree),
    ("tree check", check),
    ("usage", usage),
    ("doctor", doctor),
    ("mock", mock),
    ("settings", settings),
):
    function = as_command(getattr(module, name.split()[-1]))
    app.command(name, cls=documented(module.EXAMPLES, module.FIELDS))(function)
app.add_typer(prompts.app, name="prompts")


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
    set_up_logs(log_level, log_format)


@cache
def commands() -> TyperGroup:
    """Return all commands; their flags are parsed once, not for each call of `main`."""
    return get_group(app)
