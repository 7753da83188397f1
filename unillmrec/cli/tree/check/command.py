"""`unillmrec tree check`: verify a tree, and measure its descriptions."""

from __future__ import annotations

import typer

from unillmrec.cli.tree.check.request import CheckRequest

EXAMPLES = """\
unillmrec tree check films.tree
unillmrec tree check films.tree --route 500
unillmrec tree check films.tree --route 50 --judge endpoint
"""

FIELDS = (
    ("tree, items, nodes, seconds", "the file, its size, and how long the check took"),
    ("breaches", "a list of sentences, one per violated invariant; empty if there is none"),
    ("ceiling, longest, longest_node", "the token limit of a prompt, and the longest prompt"),
    ("described, stale", "nodes described by a model; those of them out of date"),
    (
        "with --route",
        "routing: judge, items, whole_way, levels, worst, usage, dropped, seconds",
    ),
)


def check(request: CheckRequest) -> None:
    """Check a tree, and exit with 3 if something is wrong.

    With --route, descriptions are measured: a judge looks for hidden items from the root down,
    and sees nothing but the descriptions of the branches.
    """
    from unillmrec.cli.tree.check.run import check_tree
    from unillmrec.cli.tree.check.show import show_check

    outcome = check_tree(request)
    show_check(outcome, as_json=request.json)
    if outcome.checked.breaches:
        raise typer.Exit(3)
