"""`unillmrec tree check`: whether a tree is what it should be, and how well it leads."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import typer

from unillmrec.cli.shared import options as shared

EXAMPLES = """\
unillmrec tree check films.tree
unillmrec tree check films.tree --route 500
unillmrec tree check films.tree --route 50 --judge endpoint
"""

FIELDS = (
    ("tree, items, nodes, seconds", "the file, and how much is in it"),
    ("breaches", "a list of sentences; empty where all is well"),
    ("ceiling, longest, longest_node", "tokens a prompt may have, and the longest one"),
    ("described, stale", "nodes described by a model; those of them out of date"),
    (
        "with --route",
        "routing: judge, items, whole_way, levels, worst, usage, dropped, seconds",
    ),
)

Route: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--route",
        help="Hide so many items, and ask on each level which branch holds them.",
        metavar="N",
        min=1,
    ),
]
Seed: TypeAlias = Annotated[
    int, typer.Option("--seed", help="Which items are hidden.", metavar="N")
]
RouteJudge: TypeAlias = Annotated[
    Literal["endpoint", "embedded"],
    typer.Option(
        "--judge",
        help="Who looks for hidden items: the words of the lines, or the model at the endpoint.",
        metavar="endpoint|embedded",
        rich_help_panel=shared.MODEL_PANEL,
    ),
]
Share: TypeAlias = Annotated[
    float,
    typer.Option(
        "--share",
        help="What share of a node's items must have changed for a description to be out of date.",
        metavar="0…1",
        min=0,
        max=1,
    ),
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before it is paid.")]


def check(
    tree: shared.TreeFile,
    route: Route = None,
    seed: Seed = 0,
    share: Share = 0.2,
    yes: Yes = False,
    judge: RouteJudge = "embedded",
    model: shared.Model = None,
    base_url: shared.BaseUrl = None,
    prompts: shared.Prompts = None,
    usage_log: shared.UsageLogFile = None,
    timeout_seconds: shared.TimeoutSeconds = None,
    concurrency: shared.Concurrency = None,
    json: shared.Json = False,
) -> None:
    """Check a tree; exit with 3 and say what is wrong, if something is.

    With --route the descriptions are measured: hidden items are looked for from the root
    down, by what the branches say about themselves alone.
    """
    from unillmrec.cli.tree.check_run import check_tree
    from unillmrec.cli.tree.check_show import show_checked

    asked = {"judge": judge, "model": model, "base_url": base_url, "prompts": prompts}
    how = {
        "usage_log": usage_log,
        "timeout_seconds": timeout_seconds,
        "concurrency": concurrency,
    }
    done = check_tree(tree, {**asked, **how}, share, (route, seed), yes=yes)
    show_checked(done, as_json=json)
    if done.checked.breaches:
        raise typer.Exit(3)
