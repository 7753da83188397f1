"""Write items, with their vectors, attribute columns and leaves, into a staged tree file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING

from unillmrec.errors import StoreError
from unillmrec.items import ItemFields
from unillmrec.store.migrations import ID_INDEX, LEAF_INDEX
from unillmrec.store.rows import item_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from unillmrec.tree.vectors import PackedRows


class ItemWriter:
    """Writes new items, numbered from *first* on."""

    def __init__(self, db: sqlite3.Connection, first: int = 0) -> None:
        from unillmrec.store.columns.writer import ColumnWriter

        self._db = db
        self._columns = ColumnWriter(db)
        self._next = first

    def write(self, items: ItemFields) -> None:
        """Write the next items.

        Raises:
            StoreError: one of them holds text that cannot be stored.
        """
        try:
            self._db.executemany(
                "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, NULL, 0)",
                item_rows(range(self._next, self._next + len(items.ids)), items),
            )
        except UnicodeEncodeError as error:
            raise StoreError(
                f"an item holds half a surrogate pair: {error.object[:80]!r}.",
                detail="Nothing was written.",
            ) from error
        self._columns.add_items(self._next, items)
        self._columns.flush()
        self._next += len(items.ids)

    def index_ids(self) -> None:
        """Create the index of ids, once all items are in.

        Raises:
            StoreError: two items have the same id.
        """
        try:
            self._db.execute(ID_INDEX)
        except sqlite3.IntegrityError as error:
            raise self._duplicate_id_error() from error

    def _duplicate_id_error(self) -> StoreError:
        query = "SELECT id FROM item GROUP BY id HAVING count(*) > 1 ORDER BY min(number) LIMIT 1"
        (item_id,) = self._db.execute(query).fetchone()
        return StoreError(
            f"the item id {item_id!r} is used more than once.",
            detail="Nothing was written.",
            remedy="a unique id for each item.",
        )

    def add_vectors(self, first: int, parts: Iterable[PackedRows]) -> None:
        """Write the vectors of the items from number *first* on."""
        number = first
        for part in parts:
            rows = part.rows()
            self._db.executemany(
                "INSERT INTO item_vector VALUES (?, ?)", enumerate(rows, start=number)
            )
            number += len(rows)

    def set_leaves(self, leaves: NDArray[np.int64], priors: NDArray[np.float64] | None) -> None:
        """Write the leaf, and the popularity if given, of all items from number 0 on."""
        numbers = range(len(leaves))
        if priors is None:
            statement = "UPDATE item SET leaf = ? WHERE number = ?"
            rows: Iterable[tuple[object, ...]] = zip(leaves.tolist(), numbers, strict=True)
        else:
            statement = "UPDATE item SET leaf = ?, prior = ? WHERE number = ?"
            rows = zip(leaves.tolist(), priors.tolist(), numbers, strict=True)
        self._db.executemany(statement, rows)
        self._columns.set_all_leaves(leaves)
        self._db.execute(LEAF_INDEX)
