"""Arguments and options that the commands share which change a tree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Items: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="ITEMS", help="Items, in a file like that of a catalog; - is standard input."
    ),
]
OneItem: TypeAlias = Annotated[
    str | None,
    typer.Option("--item", help="One item, as a JSON object, in place of a file.", metavar="JSON"),
]
Batch: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--batch",
        help="Commit after so many items. Default: all of them at once, or none.",
        metavar="N",
        min=1,
    ),
]
IgnoreMissing: TypeAlias = Annotated[
    bool, typer.Option("--ignore-missing", help="Pass over ids that are not in the tree.")
]
Vectors: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--vectors",
        help="The items' vectors, one row for each, for a tree built with --vectors.",
        metavar="FILE.npy",
    ),
]
Embed: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--embed",
        help="The model that embedded the tree's items. (UNILLMREC_EMBED_MODEL)",
        metavar="MODEL",
    ),
]
Plan: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--plan",
        help="Say what would have to be embedded, and described anew; change and send nothing.",
    ),
]

FIELDS = (
    ("tree, items", "the file, and how many items are in it now"),
    ("inserted, updated, deleted", "how many items"),
    ("unchanged, ignored", "items that were as they should be, and ids that are not there"),
    ("splits, merges, regrown", "nodes parted, merged, and grown anew"),
    ("refreshed, stale", "nodes whose words were told anew; model-written lines out of date"),
    ("seconds", "how long it took"),
    ("skipped_count, skipped", "rows left out: a list of line and problem"),
    ("usage", "by stage, and total; null is unknown"),
    (
        "with --plan",
        "plan by stage, and total, as that of recommend; tree, inserted, updated, deleted, nodes "
        "(to be described anew), before (the plan without the change), model, currency, counted, "
        "notes",
    ),
)
"""The fields of the JSON that all commands print which change a tree."""
