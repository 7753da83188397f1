"""`unillmrec sync`: make a tree equal to a catalog."""

from __future__ import annotations

from unillmrec.cli.changes.fields import FIELDS
from unillmrec.cli.changes.request import SyncRequest

__all__ = ["EXAMPLES", "FIELDS", "sync"]

EXAMPLES = """\
unillmrec sync films.tree films.jsonl
zcat dump.jsonl.gz | unillmrec sync shop.tree - --on-error skip
"""


def sync(request: SyncRequest) -> None:
    """Make a tree hold exactly the items of a catalog.

    Inserts what is new, deletes what is gone and updates what differs, in one transaction;
    nothing else is touched. Columns are those of the build unless flags say otherwise.
    """
    from unillmrec.cli.changes.plan import change_or_plan

    change_or_plan("sync", request)
