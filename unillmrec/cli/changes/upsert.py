"""`unillmrec upsert`: insert new items, update the others."""

from __future__ import annotations

from unillmrec.cli.changes.fields import FIELDS
from unillmrec.cli.changes.request import ItemsRequest

__all__ = ["EXAMPLES", "FIELDS", "upsert"]

EXAMPLES = """\
unillmrec upsert films.tree feed.jsonl
unillmrec upsert films.tree - --batch 1000 < feed.jsonl
"""


def upsert(request: ItemsRequest) -> None:
    """Insert items that are new to a tree, and update the others.

    An item that is in the tree already is replaced as a whole.
    """
    from unillmrec.cli.changes.plan import change_or_plan

    change_or_plan("upsert", request)
