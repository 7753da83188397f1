"""`unillmrec usage`: what calls cost so far."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from unillmrec.cli.shared import options as shared

EXAMPLES = """\
unillmrec usage films.tree
unillmrec usage films.tree --by model --since 7d
unillmrec usage films.tree --by person --since 2026-11-01
unillmrec usage --by run --json
"""

FIELDS = (
    ("log, by, since", "what was read"),
    (
        "lines",
        "a list of key, usage, known (the reported part where usage is null), rows, unknown, "
        "failed, retries, refused, again, prompt_error and completion_error (our estimates over "
        "what the server reported, less 1), cost by currency (null is unknown), known_cost, "
        "unpriced, seconds, began, command",
    ),
    ("total", "the same for all of them"),
)

Logged: TypeAlias = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE",
        help="A tree, or a usage log. Default: the log of the settings, else that of the one "
        "tree in this folder.",
    ),
]
By: TypeAlias = Annotated[
    Literal["stage", "run", "model", "day", "person"],
    typer.Option("--by", help="What has a line of its own.", metavar="stage|run|model|day|person"),
]
Since: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--since",
        help="Leave out what was before this day, or before so many days or hours ago.",
        metavar="YYYY-MM-DD|7d|12h",
    ),
]


def usage(
    file: Logged = None,
    by: By = "stage",
    since: Since = None,
    usage_log: shared.UsageLogFile = None,
    json: shared.Json = False,
) -> None:
    """Show what calls to endpoints cost.

    Every call is logged in a small file beside the tree. What a server reported and what was
    estimated have columns of their own; a sum with an unknown in it is unknown, and what is
    known of it is said. Money is shown where the price was known when the call was made.
    """
    from unillmrec.cli.usage.run import spending
    from unillmrec.cli.usage.show import show_usage

    show_usage(spending(file, by, since, {"usage_log": usage_log}), as_json=json)
