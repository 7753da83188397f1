"""`unillmrec usage`: show what calls cost."""

from __future__ import annotations

from unillmrec.cli.usage.request import UsageRequest

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
    ("total", "the same for all lines together"),
)


def usage(request: UsageRequest) -> None:
    """Show what calls to endpoints cost.

    Every call is logged in a file beside the tree. Counts reported by the server and our own
    estimates are in separate columns; a sum that contains an unknown count is unknown, and the
    known part is printed below. Money is shown if the price was known at the time of the call.
    """
    from unillmrec.cli.usage.run import read_usage
    from unillmrec.cli.usage.show import show_usage

    show_usage(read_usage(request), as_json=request.json)
