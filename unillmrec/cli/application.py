"""The commands under one roof."""

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
from unillmrec.cli.tree.check import command as checking
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
for name, module, function in (
    ("demo", demo, as_command(demo.demo)),
    ("build", build, as_command(build.build)),
    ("recommend", recommend, as_command(recommend.recommend)),
    ("batch", batch, as_command(batch.batch)),
    ("insert", insert, as_command(insert.insert)),
    ("update", update, as_command(update.update)),
    ("upsert", upsert, as_command(upsert.upsert)),
    ("delete", delete, as_command(delete.delete)),
    ("sync", sync, as_command(sync.sync)),
    ("describe", describe, as_command(describe.describe)),
    ("evaluate", evaluate, as_command(evaluate.evaluate)),
    ("tree", tree, as_command(tree.tree)),
    ("tree check", checking, as_command(checking.check)),
    ("usage", usage, as_command(usage.usage)),
    ("doctor", doctor, as_command(doctor.doctor)),
    ("mock", mock, as_command(mock.mock)),
    ("settings", settings, as_command(settings.settings)),
):
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
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
    log_level: Annotated[
        LogLevel,
        typer.Option(
            "--log-level",
            help="What is told on standard error while it goes on; info tells of every call.",
            metavar="debug|info|warning|error",
        ),
    ] = "warning",
    log_format: Annotated[
        LogFormat,
        typer.Option(
            "--log-format", help="A line of text an event, or an object.", metavar="text|json"
        ),
    ] = "text",
) -> None:
    """Recommendations from a language model and a catalog file, without training.

    Build a tree of a catalog once; then a model walks it, branch by branch, for one person
    at a time, and every token is billed to the stage that spent it.
    """
    set_up_logs(log_level, log_format)


@cache
def commands() -> TyperGroup:
    """Return the commands, their flags read once and not anew for each call of `main`."""
    return get_group(app)
