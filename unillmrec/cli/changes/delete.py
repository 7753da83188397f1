"""`unillmrec delete`: delete items from a tree."""

from __future__ import annotations

from unillmrec.cli.changes.fields import FIELDS
from unillmrec.cli.changes.request import DeleteRequest

__all__ = ["EXAMPLES", "FIELDS", "delete"]

EXAMPLES = """\
unillmrec delete films.tree tt0083658 tt0062622
unillmrec delete films.tree --ids gone.txt --ignore-missing
"""


def delete(request: DeleteRequest) -> None:
    """Delete items from a tree.

    Nodes that become too small are merged. An id that is not in the tree is an error, and nothing
    is changed.
    """
    from unillmrec.cli.changes.run import delete_items
    from unillmrec.cli.changes.show import show_changes

    show_changes(delete_items(request), as_json=request.json)
