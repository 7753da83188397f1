"""Add, replace, move and remove items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from unillmrec.items import ItemFields
from unillmrec.store.decoding import SELECT_ITEMS, is_intact, salvaged_item, stored_hashes
from unillmrec.store.editing.editable_file import EditableFile
from unillmrec.store.nodes import PlacedItem
from unillmrec.store.rows import item_rows
from unillmrec.store.tree_file import IN_LIST, sql_list

# How many items are read at once to compare them with their content hashes.
ITEMS_AT_ONCE = 10_000


class LeafItem(NamedTuple):
    """What the summary of a leaf needs of an item; attributes and vector are still packed."""

    leaf: int
    number: int
    prior: float
    attributes: str
    packed: bytes


class ItemEdits(EditableFile):
    """The items of a tree that can be changed, and the queries that changes need."""

    def put_items(
        self, items: Sequence[PlacedItem], before: Mapping[int, PlacedItem] | None = None
    ) -> None:
        """Add or replace items; *before* has the old state of replaced items, by number."""
        fields = ItemFields.of([each.item for each in items])
        rows = item_rows([each.number for each in items], fields)
        self._execute_many(
            "INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*row, each.leaf, each.prior) for row, each in zip(rows, items, strict=True)],
        )
        columns = self._column_writer()
        with self._storing():
            for each in items:
                old = before.get(each.number) if before else None
                columns.set_item(each.number, each.item, old.item if old else None)
                if old is None or old.leaf != each.leaf:
                    columns.set_leaf(each.number, each.leaf)

    def put_vectors(self, vectors: Iterable[tuple[int, bytes]]) -> None:
        """Write (item, packed vector) pairs."""
        self._execute_many("INSERT OR REPLACE INTO item_vector VALUES (?, ?)", vectors)

    def remove_items(self, items: Sequence[PlacedItem]) -> None:
        """Remove items and their vectors."""
        numbers = sql_list([each.number for each in items])
        columns = self._column_writer()
        with self._storing():
            for each in items:
                columns.set_item(each.number, None, each.item)
                columns.set_leaf(each.number, None)
        self._execute(f"DELETE FROM item WHERE number {IN_LIST}", (numbers,))
        self._execute(f"DELETE FROM item_vector WHERE item {IN_LIST}", (numbers,))

    def move_items(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Move items into leaves, given as (leaf, item) pairs."""
        moves = list(pairs)
        self._execute_many("UPDATE item SET leaf = ? WHERE number = ?", moves)
        columns = self._column_writer()
        with self._storing():
            for leaf, number in moves:
                columns.set_leaf(number, leaf)

    def leaf_sizes(self, leaves: Sequence[int]) -> dict[int, int]:
        """Count the items of each of *leaves*."""
        query = f"SELECT leaf, count(*) FROM item WHERE leaf {IN_LIST} GROUP BY leaf"
        return dict.fromkeys(leaves, 0) | dict(self.rows(query, (sql_list(leaves),)))

    def numbers_by_leaf(self, leaves: Sequence[int]) -> dict[int, list[int]]:
        """Return the numbers of the items of each leaf, ascending."""
        query = f"SELECT leaf, number FROM item WHERE leaf {IN_LIST} ORDER BY number"
        numbers: dict[int, list[int]] = {leaf: [] for leaf in leaves}
        for leaf, number in self.rows(query, (sql_list(leaves),)):
            numbers[leaf].append(number)
        return numbers

    def leaf_items(self, leaves: Sequence[int]) -> list[LeafItem]:
        """Return the items of leaves, by leaf and number."""
        query = (
            "SELECT leaf, number, prior, attributes, packed FROM item"
            f" JOIN item_vector ON item = number WHERE leaf {IN_LIST} ORDER BY leaf, number"
        )
        return [LeafItem(*row) for row in self.rows(query, (sql_list(leaves),))]

    def content_hashes(self) -> dict[str, bytes]:
        """Return the content hash of every item by its id; nothing for an item that is damaged."""
        hashes: dict[str, bytes] = {}
        last = -1
        query = f"{SELECT_ITEMS} WHERE number > ? ORDER BY number LIMIT ?"
        while rows := self.unchecked_rows(query, (last, ITEMS_AT_ONCE)):
            last = rows[-1][0]
            hashes |= zip((row[1] for row in rows), stored_hashes(self.path, rows), strict=True)
        return hashes

    def damaged_items(self, ids: Sequence[str]) -> dict[str, PlacedItem]:
        """Return what is left of those items, by id, that do not match their content hash."""
        rows = self.unchecked_rows(f"{SELECT_ITEMS} WHERE id {IN_LIST}", (sql_list(ids),))
        return {row[1]: salvaged_item(row) for row in rows if not is_intact(row)}

    def clear_attributes(self, numbers: Sequence[int]) -> None:
        """Remove all values of items from the columns, whatever the items hold."""
        columns = self._column_writer()
        with self._storing():
            for number in numbers:
                columns.clear_item(number)

    def packed_vectors(self, numbers: Sequence[int]) -> list[bytes]:
        """Return the packed vectors of items, in the order of *numbers*."""
        return self._packed("item_vector", "item", numbers)
