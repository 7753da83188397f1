"""`unillmrec demo`: see it work, without network or key."""

from __future__ import annotations

from unillmrec.cli.demo.request import DemoRequest

EXAMPLES = """\
unillmrec demo
unillmrec demo --person anders
unillmrec demo --like "comedies about money"
unillmrec demo --keep here
"""

FIELDS = (
    ("person", "the reader, or null"),
    ("history", "titles in the history, oldest first"),
    ("tree", "path, items, leaves, branches, depth, seconds"),
    ("items … seconds", "as for recommend"),
    ("opened", "ids of the nodes that the walk opened, in order"),
    ("flat", "usage of one prompt with all items"),
)


def demo(request: DemoRequest) -> None:
    """Build a tree of 700 bundled books, walk it for a reader, and estimate the cost.

    Nothing is sent: the embedded similarity judge answers, and the prompts that a language model
    would get are only counted.
    """
    from unillmrec.cli.demo.run import run_demo
    from unillmrec.cli.demo.show import show_demo

    show_demo(run_demo(request), pause=not request.no_pause, as_json=request.json)
