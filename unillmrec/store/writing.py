"""Fill a staged tree file: items as they stream by, then the tree over them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from unillmrec.errors import StoreError
from unillmrec.items import Item
from unillmrec.store.files import Staging
from unillmrec.store.migrations import INDEXES

ITEM_BATCH = 2_000


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


class TreeWriter:
    """Writes one tree into a `Staging`, in the order: items, then the rest, then `finish`."""

    def __init__(self, staging: Staging) -> None:
        self._db = staging.db
        self._waiting: list[tuple[object, ...]] = []
        self.items = 0

    def add_item(self, item: Item) -> None:
        """Write an item; its number is its place in the catalog, from zero."""
        self._waiting.append(
            (
                self.items,
                item.id,
                item.title,
                item.text,
                json.dumps(item.path, ensure_ascii=False) if item.path else "[]",
                json.dumps(item.attributes, ensure_ascii=False) if item.attributes else "{}",
                item.content_hash(),
            )
        )
        self.items += 1
        if len(self._waiting) >= ITEM_BATCH:
            self._flush()

    def _flush(self) -> None:
        self._db.executemany(
            "INSERT INTO item (number, id, title, text, path, attributes, hash)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            self._waiting,
        )
        self._waiting.clear()

    def titles(self, numbers: Sequence[int]) -> Mapping[int, str]:
        """Return the titles of items that have been added."""
        self._flush()
        rows = self._db.execute(
            "SELECT number, title FROM item WHERE number IN (SELECT value FROM json_each(?))",
            (json.dumps(list(numbers)),),
        )
        return dict(rows)

    def place_items(self, leaves: Iterable[tuple[int, int]]) -> None:
        """Write (leaf, item) pairs."""
        self._flush()
        self._db.executemany("UPDATE item SET leaf = ? WHERE number = ?", leaves)

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
        for statement in INDEXES:
            self._db.execute(statement)
        self._db.execute("ANALYZE")
        (lost,) = self._db.execute("SELECT count(*) FROM item WHERE leaf IS NULL").fetchone()
        if lost:
            raise StoreError(f"{lost} items have no leaf; the tree was not written.")


def _encoded(facts: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    return ((name, json.dumps(value, ensure_ascii=False)) for name, value in facts.items())
