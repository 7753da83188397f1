"""`unillmrec delete`: take items out of a tree."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from unillmrec.cli.changes import options as change
from unillmrec.cli.shared import options as shared

EXAMPLES = """\
unillmrec delete films.tree tt0083658 tt0062622
unillmrec delete films.tree --ids gone.txt --ignore-missing
"""
FIELDS = change.FIELDS

Ids: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="ID…", help="The ids of the items.")
]
IdFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--ids",
        help="A file of ids: JSON, JSONL, CSV, or one id a line; - is standard input.",
        metavar="FILE|-",
    ),
]


def delete(
    file: shared.TreeFile,
    ids: Ids = None,
    id_file: IdFile = None,
    ignore_missing: change.IgnoreMissing = False,
    batch: change.Batch = None,
    json: shared.Json = False,
) -> None:
    """Take items out of a tree.

    What they leave too small is merged. An id that is not there is an error, and nothing is
    changed.
    """
    from unillmrec.cli.changes.run import Wishes, delete_items
    from unillmrec.cli.changes.show import show_changed

    wishes = Wishes(file, batch=batch, ignore_missing=ignore_missing)
    show_changed(delete_items(ids, id_file, wishes), as_json=json)
