"""Fill a staged tree file: items as they stream by, then the tree over them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unillmrec.errors import StoreError
from unillmrec.items import Item
from unillmrec.store.files import Staging
from unillmrec.store.migrations import INDEXES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# `json.dumps` makes an encoder anew for each call that asks for more than its defaults.
_encode = json.JSONEncoder(ensure_ascii=False).encode
# As many as a block of a column has, so that each is written once.
ITEM_BATCH = 4_096


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


def item_row(number: int, item: Item, leaf: int | None, prior: float = 0.0) -> tuple[object, ...]:
    """Return an item as the row the store keeps of it."""
    return (
        *(number, item.id, item.title, item.text),
        _encode(item.path) if item.path else "[]",
        _encode(item.attributes) if item.attributes else "{}",
        item.content_hash(),
        leaf,
        prior,
    )


class TreeWriter:
    """Writes one tree into a `Staging`, in the order: items, then the rest, then `finish`."""

    def __init__(self, staging: Staging) -> None:
        from unillmrec.store.columns import ColumnWriter

        self._db = staging.db
        self._waiting: list[tuple[object, ...]] = []
        self._columns = ColumnWriter(staging.db)
        self.items = 0

    def add_item(self, item: Item) -> None:
        """Write an item; its number is its place in the catalog, from zero."""
        self._waiting.append(item_row(self.items, item, None))
        self._columns.put(self.items, item)
        self.items += 1
        if len(self._waiting) >= ITEM_BATCH:
            self._flush()

    def _flush(self) -> None:
        try:
            self._db.executemany(
                "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self._waiting
            )
        except UnicodeEncodeError as error:
            raise StoreError(
                f"an item holds half a surrogate pair: {error.object[:80]!r}.",
                detail="Nothing was written.",
            ) from error
        self._waiting.clear()
        self._columns.flush()

    def titles(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Return the titles of items that have been added."""
        self._flush()
        rows = self._db.execute(
            "SELECT number, title FROM item WHERE number IN (SELECT value FROM json_each(?))",
            (json.dumps(list(numbers)),),
        )
        return dict(rows)

    def place_items(self, leaves: NDArray[np.int64]) -> None:
        """Write the leaf of each item, in the order of their numbers."""
        self._flush()
        self._db.executemany(
            "UPDATE item SET leaf = ? WHERE number = ?",
            ((leaf or None, number) for number, leaf in enumerate(leaves.tolist())),
        )
        self._columns.place_all(leaves)

    def set_priors(self, priors: Iterable[tuple[int, float]]) -> None:
        """Write (item, popularity between 0 and 1) pairs."""
        self._db.executemany(
            "UPDATE item SET prior = ? WHERE number = ?",
            ((prior, number) for number, prior in priors),
        )

    def add_vectors(self, vectors: Iterable[tuple[int, bytes]]) -> None:
        """Write (item, packed vector) pairs."""
        self._db.executemany("INSERT INTO item_vector VALUES (?, ?)", vectors)

    def add_nodes(self, nodes: Iterable[NodeRow]) -> None:
        """Write the nodes with the sums of what is below them."""
        for node in nodes:
            self._db.execute(
                "INSERT INTO node (id, parent, place, depth, size, leaf, description, spans, prior)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(node.id, node.parent, node.place, node.depth, node.size),
                    *(node.leaf, node.description, node.spans, node.prior),
                ),
            )
            self._db.execute("INSERT INTO node_sum VALUES (?, ?)", (node.id, node.packed))

    def add_terms(self, terms: Iterable[tuple[int, str, int]]) -> None:
        """Write (id, term, number of items that use it)."""
        self._db.executemany("INSERT INTO term VALUES (?, ?, ?)", terms)

    def finish(self, facts: Mapping[str, object]) -> None:
        """Write what holds for the whole tree, and the indexes."""
        self._db.executemany("INSERT INTO fact VALUES (?, ?)", _encoded(facts))
        try:
            for statement in INDEXES:
                self._db.execute(statement)
        except sqlite3.IntegrityError as error:
            raise self._used_twice() from error
        self._db.execute("ANALYZE")
        (lost,) = self._db.execute("SELECT count(*) FROM item WHERE leaf IS NULL").fetchone()
        if lost:
            raise StoreError(f"{lost} items have no leaf; the tree was not written.")

    def _used_twice(self) -> StoreError:
        query = "SELECT id FROM item GROUP BY id HAVING count(*) > 1 ORDER BY min(number) LIMIT 1"
        (item_id,) = self._db.execute(query).fetchone()
        return StoreError(
            f"the item id {item_id!r} is used more than once.",
            detail="Nothing was written.",
            remedy="an id of its own for each item.",
        )


def _encoded(facts: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    return ((name, _encode(value)) for name, value in facts.items())
