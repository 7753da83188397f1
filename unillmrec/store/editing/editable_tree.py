"""A tree opened for changes: one writer, many readers, every change in a transaction."""

from __future__ import annotations

from collections.abc import Mapping

from unillmrec.store.editing.item_edits import ItemEdits
from unillmrec.store.editing.node_edits import NodeEdits
from unillmrec.store.tree_file import IN_LIST, sql_list


class EditableTree(ItemEdits, NodeEdits):
    """An item tree that can be changed. Writes happen inside `transaction` only."""

    def add_term_counts(self, changes: Mapping[str, int]) -> None:
        """Add to the number of items that use each term; new terms get the next ids."""
        query = f"SELECT term FROM term WHERE term {IN_LIST}"
        known = {term for (term,) in self.rows(query, (sql_list(list(changes)),))}
        new = [term for term, change in changes.items() if term not in known and change > 0]
        ids = self.take_numbers("term", len(new))
        self._execute_many("INSERT INTO term VALUES (?, ?, 0)", list(zip(ids, new, strict=True)))
        self._execute_many(
            "UPDATE term SET used_by = max(used_by + ?, 0) WHERE term = ?",
            [(change, term) for term, change in changes.items()],
        )
