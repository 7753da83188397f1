"""Fill a staged tree file: items as they stream by, then the tree over them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from unillmrec.errors import StoreError
from unillmrec.items import Item, ItemFields
from unillmrec.store.files import Staging
from unillmrec.store.migrations import ID_INDEX, INDEXES, LEAF_INDEX

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from unillmrec.store.item_process import ItemProcess
    from unillmrec.tree.vectors import Floats, PackedRows

# `json.dumps` makes an encoder anew for each call that asks for more than its defaults.
_encode = json.JSONEncoder(ensure_ascii=False).encode
# As many as a block of a column has, so that each is written once.
ITEM_BATCH = 4_096
NODE_BATCH = 1_000
# Starting a process takes about as long as writing this many items.
WORTH_A_PROCESS = 20_000


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node as it is stored; *id* 1 is the root."""

    id: int
    parent: int | None
    place: int
    depth: int
    size: int
    leaf: bool
    description: str
    spans: str
    prior: float
    packed: bytes
    moved: int = 0
    stale: int = 0


def item_rows(numbers: Iterable[int], items: ItemFields) -> list[tuple[object, ...]]:
    """Return numbered items as rows of the store but for leaf and popularity."""
    paths, attributes = items.paths_as_json(), items.attributes_as_json()
    hashes = items.hashes(paths, attributes)
    texts = (items.ids, items.titles, items.texts)
    return list(zip(numbers, *texts, paths, attributes, hashes, strict=True))


class ItemWriter:
    """Writes items and what belongs to each, into a file that has none from number *first* on."""

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
        self._columns.put_all(self._next, items)
        self._columns.flush()
        self._next += len(items.ids)

    def index_ids(self) -> None:
        """Write the index by id, now that all items are in.

        Raises:
            StoreError: two of them have the same id.
        """
        try:
            self._db.execute(ID_INDEX)
        except sqlite3.IntegrityError as error:
            raise self._used_twice() from error

    def _used_twice(self) -> StoreError:
        query = "SELECT id FROM item GROUP BY id HAVING count(*) > 1 ORDER BY min(number) LIMIT 1"
        (item_id,) = self._db.execute(query).fetchone()
        return StoreError(
            f"the item id {item_id!r} is used more than once.",
            detail="Nothing was written.",
            remedy="an id of its own for each item.",
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

    def place(self, leaves: NDArray[np.int64], priors: NDArray[np.float64] | None) -> None:
        """Write the leaf of each item, in the order of their numbers, and its popularity."""
        numbers = range(len(leaves))
        if priors is None:
            statement = "UPDATE item SET leaf = ? WHERE number = ?"
            rows: Iterable[tuple[object, ...]] = zip(leaves.tolist(), numbers, strict=True)
        else:
            statement = "UPDATE item SET leaf = ?, prior = ? WHERE number = ?"
            rows = zip(leaves.tolist(), priors.tolist(), numbers, strict=True)
        self._db.executemany(statement, rows)
        self._columns.place_all(leaves)
        self._db.execute(LEAF_INDEX)


class TreeWriter:
    """Writes one tree into a `Staging`, in the order: items, then the rest, then `finish`.

    With two *workers* or more, most of what there is of each item in a large catalog is written
    by another process, up to the first look at what has been written.
    """

    def __init__(self, staging: Staging, *, workers: int = 1) -> None:
        self._staging = staging
        self._workers = workers
        self._waiting: list[Item] = []
        self._writer = ItemWriter(staging.db)
        self._process: ItemProcess | None = None
        self.items = 0

    def add_item(self, item: Item) -> None:
        """Write an item; its number is its place in the catalog, from zero."""
        self.add_items([item])

    def add_items(self, items: Sequence[Item]) -> None:
        """Write the next items."""
        self._waiting += items
        self.items += len(items)
        if len(self._waiting) >= ITEM_BATCH:
            self._pass_on()

    def _pass_on(self) -> ItemWriter | ItemProcess:
        """Write the items that wait, or let the other process write them; return who did."""
        if self._process is None and self._workers > 1 and self.items > WORTH_A_PROCESS:
            self._process = self._handed_over()
        writer = self._process or self._writer
        if self._waiting:
            writer.write(ItemFields.of(self._waiting))
            self._waiting.clear()
        return writer

    def _handed_over(self) -> ItemProcess:
        from unillmrec.store.item_process import ItemProcess

        self._staging.db.execute("COMMIT")
        process = ItemProcess(self._staging.beside, self.items - len(self._waiting))
        self._staging.ending.callback(process.stop)
        # What comes after the items needs no other process.
        self._workers = 1
        return process

    @property
    def _db(self) -> sqlite3.Connection:
        """The file, in which everything has been written that was asked for."""
        self._pass_on()
        if self._process is not None:
            self._process.finish()
            self._process = None
            self._staging.db.execute("BEGIN")
        return self._staging.db

    def end_items(self) -> None:
        """Take note that there are no more items.

        Raises:
            StoreError: two of them have the same id; it may be said later.
        """
        self._pass_on().index_ids()

    def titles(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Return the titles of items that have been added."""
        rows = self._db.execute(
            "SELECT number, title FROM item WHERE number IN (SELECT value FROM json_each(?))",
            (json.dumps(list(numbers)),),
        )
        return dict(rows)

    def place_items(
        self, leaves: NDArray[np.int64], priors: NDArray[np.float64] | None = None
    ) -> None:
        """Write the leaf of each item, in the order of their numbers.

        *priors* are their popularities between 0 and 1.
        """
        self._pass_on().place(leaves, priors)

    def set_priors(self, priors: Iterable[tuple[int, float]]) -> None:
        """Write (item, popularity between 0 and 1) pairs."""
        self._db.executemany(
            "UPDATE item SET prior = ? WHERE number = ?",
            ((prior, number) for number, prior in priors),
        )

    def add_vectors(self, first: int, rows: csr_matrix | Floats) -> None:
        """Write the vectors of items, in the order of their numbers from *first* on."""
        from unillmrec.tree.vectors import packed_parts

        self._pass_on().add_vectors(first, packed_parts(rows))

    def add_nodes(self, nodes: Iterable[NodeRow]) -> None:
        """Write the nodes with the sums of what is below them."""
        left = iter(nodes)
        while some := list(islice(left, NODE_BATCH)):
            self._db.executemany(
                "INSERT INTO node (id, parent, place, depth, size, leaf, description, spans, prior)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        *(node.id, node.parent, node.place, node.depth, node.size),
                        *(node.leaf, node.description, node.spans, node.prior),
                    )
                    for node in some
                ),
            )
            self._db.executemany(
                "INSERT INTO node_sum VALUES (?, ?)", ((node.id, node.packed) for node in some)
            )

    def add_terms(self, terms: Iterable[tuple[int, str, int]]) -> None:
        """Write (id, term, number of items that use it)."""
        self._db.executemany("INSERT INTO term VALUES (?, ?, ?)", terms)

    def finish(self, facts: Mapping[str, object]) -> None:
        """Write what holds for the whole tree, and the indexes."""
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
