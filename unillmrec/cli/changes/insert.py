"""`unillmrec insert`: insert new items into a tree."""

from __future__ import annotations

from unillmrec.cli.changes.fields import FIELDS
from unillmrec.cli.changes.request import ItemsRequest

__all__ = ["EXAMPLES", "FIELDS", "insert"]

EXAMPLES = """\
unillmrec insert films.tree new.jsonl --plan
unillmrec insert films.tree new.jsonl
unillmrec insert films.tree --item '{"id": "tt9", "title": "The Lighthouse"}'
zcat feed.jsonl.gz | unillmrec insert films.tree - --batch 1000
"""


def insert(request: ItemsRequest) -> None:
    """Insert new items into a tree.

    An item that is already in the tree is an error, and nothing is changed.
    """
    from unillmrec.cli.changes.plan import change_or_plan

    change_or_plan("insert", request)
