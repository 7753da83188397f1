"""`unillmrec update`: replace items of a tree."""

from __future__ import annotations

from unillmrec.cli.changes.fields import FIELDS
from unillmrec.cli.changes.request import UpdateRequest

__all__ = ["EXAMPLES", "FIELDS", "update"]

EXAMPLES = """\
unillmrec update films.tree changed.jsonl
unillmrec update films.tree feed.jsonl --ignore-missing
unillmrec update films.tree --item '{"id": "tt9", "title": "The Lighthouse", "year": 2019}'
"""


def update(request: UpdateRequest) -> None:
    """Replace items of a tree with new versions.

    Items are replaced as a whole. A change of numbers alone, such as a price, touches neither
    vectors nor descriptions. An id that is not in the tree is an error, and nothing is changed.
    """
    from unillmrec.cli.changes.plan import change_or_plan

    change_or_plan("update", request)
