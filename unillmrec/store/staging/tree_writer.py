"""Fill a staged tree file: items as they stream by, then the tree above them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from unillmrec.errors import StoreError
from unillmrec.items import Item, ItemFields
from unillmrec.store.migrations import INDEXES
from unillmrec.store.rows import NodeRow
from unillmrec.store.staging.item_writer import ItemWriter
from unillmrec.store.staging.staging import Staging
from unillmrec.store.tree_file import IN_LIST, sql_list

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from unillmrec.store.staging.item_process import ItemProcess
    from unillmrec.tree.vectors import Floats

# `json.dumps` creates a new encoder for each call with other than default options.
_encode = json.JSONEncoder(ensure_ascii=False).encode
# One block of a column, so that each block is written once.
ITEM_BATCH = 4_096
NODE_BATCH = 1_000
# Starting a process takes about as long as writing this many items.
MIN_ITEMS_FOR_PROCESS = 20_000


class TreeWriter:
    """Writes one tree into a `Staging`: first the items, then everything else, then `finish`.

    With two *workers* or more, a second process writes the items of a large catalog, until the
    first call that reads the file or writes nodes.
    """

    def __init__(self, staging: Staging, *, workers: int = 1) -> None:
        self._staging = staging
        self._workers = workers
        self._pending: list[Item] = []
        self._writer = ItemWriter(staging.db)
        self._process: ItemProcess | None = None
        self.items = 0

    def add_item(self, item: Item) -> None:
        """Write an item; its number is its position in the catalog, from zero."""
        self.add_items([item])

    def add_items(self, items: Sequence[Item]) -> None:
        """Write the next items."""
        self._pending += items
        self.items += len(items)
        if len(self._pending) >= ITEM_BATCH:
            self._flush_items()

    def _flush_items(self) -> ItemWriter | ItemProcess:
        """Write the pending items, here or in the other process, and return the writer used."""
        if self._process is None and self._workers > 1 and self.items > MIN_ITEMS_FOR_PROCESS:
            self._process = self._start_process()
        writer = self._process or self._writer
        if self._pending:
            writer.write(ItemFields.of(self._pending))
            self._pending.clear()
        return writer

    def _start_process(self) -> ItemProcess:
        # That module is a program too, and Python warns if it is imported before it is run.
        from unillmrec.store.staging.item_process import ItemProcess

        self._staging.db.execute("COMMIT")
        process = ItemProcess(self._staging.working_path, self.items - len(self._pending))
        self._staging.cleanup.callback(process.stop)
        # What follows the items needs no other process.
        self._workers = 1
        return process

    @property
    def _db(self) -> sqlite3.Connection:
        """The connection, once everything added so far is in the file."""
        self._flush_items()
        if self._process is not None:
            self._process.finish()
            self._process = None
            self._staging.db.execute("BEGIN")
        return self._staging.db

    def end_items(self) -> None:
        """Index the ids, after the last item.

        Raises:
            StoreError: two items have the same id. With another process, a later call raises it.
        """
        self._flush_items().index_ids()

    def titles(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Return the titles of items that were added, by number."""
        query = f"SELECT number, title FROM item WHERE number {IN_LIST}"
        return dict(self._db.execute(query, (sql_list(numbers),)))

    def place_items(
        self, leaves: NDArray[np.int64], priors: NDArray[np.float64] | None = None
    ) -> None:
        """Write the leaf of each item, in the order of their numbers.

        *priors* are their popularities between 0 and 1.
        """
        self._flush_items().set_leaves(leaves, priors)

    def set_priors(self, priors: Iterable[tuple[int, float]]) -> None:
        """Write (item, popularity between 0 and 1) pairs."""
        self._db.executemany(
            "UPDATE item SET prior = ? WHERE number = ?",
            ((prior, number) for number, prior in priors),
        )

    def add_vectors(self, first: int, rows: csr_matrix | Floats) -> None:
        """Write the vectors of the items from number *first* on, one row each."""
        from unillmrec.tree.vectors import packed_parts

        self._flush_items().add_vectors(first, packed_parts(rows))

    def add_nodes(self, nodes: Iterable[NodeRow]) -> None:
        """Write nodes and their vector sums."""
        remaining = iter(nodes)
        while batch := list(islice(remaining, NODE_BATCH)):
            self._db.executemany(
                "INSERT INTO node (id, parent, place, depth, size, leaf, description, spans, prior)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        *(node.id, node.parent, node.place, node.depth, node.size),
                        *(node.leaf, node.description, node.spans, node.prior),
                    )
                    for node in batch
                ),
            )
            self._db.executemany(
                "INSERT INTO node_sum VALUES (?, ?)", ((node.id, node.packed) for node in batch)
            )

    def add_terms(self, terms: Iterable[tuple[int, str, int]]) -> None:
        """Write (id, term, number of items that use it)."""
        self._db.executemany("INSERT INTO term VALUES (?, ?, ?)", terms)

    def finish(self, facts: Mapping[str, object]) -> None:
        """Write the facts about the tree, and create the indexes.

        Raises:
            StoreError: two items have the same id, or one has no leaf.
        """
        self._db.executemany("INSERT INTO fact VALUES (?, ?)", _encoded(facts))
        self.end_items()
        for statement in INDEXES:
            self._db.execute(statement)
        self._db.execute("ANALYZE")
        (lost,) = self._db.execute("SELECT count(*) FROM item WHERE leaf IS NULL").fetchone()
        if lost:
            raise StoreError(f"{lost} items have no leaf; the tree was not written.")


def _encoded(facts: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    return ((name, _encode(value)) for name, value in facts.items())
