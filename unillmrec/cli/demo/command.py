"""`unillmrec demo`: see it work, with no network and no key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from unillmrec.cli.shared import options as shared

EXAMPLES = """\
unillmrec demo
unillmrec demo --person anders
unillmrec demo --like "comedies about money"
unillmrec demo --keep here
"""

FIELDS = (
    ("person", "who reads, or null"),
    ("history", "the titles read, oldest first"),
    ("tree", "path, items, leaves, branches, depth, seconds"),
    ("items … seconds", "as of recommend"),
    ("opened", "the nodes the walk opened, in order"),
    ("flat", "usage of one prompt with all items"),
)

Reader: TypeAlias = Annotated[
    str,
    typer.Option(
        "--person",
        help="Who reads: rosa, anders, mireille, tomasz or noor.",
        metavar="NAME",
        rich_help_panel=shared.PERSON_PANEL,
    ),
]
Keep: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--keep", help="Leave the catalog and the tree in this folder, to play with.", metavar="DIR"
    ),
]
NoPause: TypeAlias = Annotated[
    bool, typer.Option("--no-pause", help="Do not slow the walk down for the eye.")
]


def demo(
    person: Reader = "rosa",
    history: shared.History = None,
    like: shared.Like = None,
    keep: Keep = None,
    no_pause: NoPause = False,
    json: shared.Json = False,
) -> None:
    """Build a tree of 700 bundled books, walk it for somebody, show what it would cost.

    Nothing is sent anywhere: the embedded similarity judge answers, and the prompts a
    language model would get are only counted.
    """
    from unillmrec.cli.demo.run import perform_for
    from unillmrec.cli.demo.show import show_demo

    show_demo(perform_for(person, history, like, keep), pause=not no_pause, as_json=json)
