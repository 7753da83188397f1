"""The item tree as it lies in its file: opened at once, read only where a walk goes."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from unillmrec.errors import StoreError
from unillmrec.items import Item
from unillmrec.store.files import connect_to_read
from unillmrec.store.nodes import ROOT, Node, PlacedItem
from unillmrec.store.read_cache import Key, ReadCache, Value
from unillmrec.tree.descriptions import Description

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from unillmrec.tree.vectors import Floats, Vector

# What is kept of a file that many are recommended from: some tens of megabytes where vectors are
# of words, and as much as they are wide where they were given.
KEPT_BRANCHES = 2_000
KEPT_STACKS = 500
KEPT_NODES = 20_000
KEPT_VECTORS = 20_000


class ItemTree:
    """Where each item of a catalog sits. Several threads may read one at a time."""

    # Who changes a tree reads what is there now.
    _KEEPS = True

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self._db = db
        self._kept = ReadCache()
        # A connection answers one query at a time; judges of several branches share it.
        self._lock = threading.Lock()
        self._watchers = 0
        self._watching = False
        self.facts = self._read_facts()

    @classmethod
    def open(cls, path: str | Path) -> ItemTree:
        """Open a tree file to read from it.

        Raises:
            StoreError: it is missing, is no tree file, or is newer than this program.
        """
        path = Path(path)
        return cls(path, connect_to_read(path))

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self.facts["items"])

    def is_empty(self) -> bool:
        """Return whether no item is stored, also in the middle of a change."""
        return not self.rows("SELECT 1 FROM item LIMIT 1")

    def __repr__(self) -> str:
        return f"<ItemTree {self.path.name}: {len(self):,} items>"

    @property
    def sparse(self) -> bool:
        """Whether vectors are weighted terms; otherwise they were given."""
        return bool(self.facts["space"] == "terms")

    @property
    def has_prior(self) -> bool:
        """Whether the tree was built with a popularity attribute."""
        return bool(self.facts.get("popularity"))

    def _read_facts(self) -> dict[str, Any]:
        return {name: json.loads(value) for name, value in self.rows("SELECT * FROM fact")}

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query; the other methods say everything a walk needs."""
        try:
            with self._lock:
                return self._db.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{self.path} cannot be read: {error}.",
                remedy="build the tree anew, or restore the file from a copy.",
            ) from error

    def kept(
        self,
        kind: str,
        keys: Sequence[Key],
        read: Callable[[list[Key]], Mapping[Key, Value]],
        *,
        most: int,
    ) -> list[Value]:
        """Return what *read* returns of *keys*, read anew only after somebody changed the file."""
        if not self._KEEPS:
            found = read(list(keys))
            return [found[key] for key in keys]
        ((version,),) = self.rows("PRAGMA data_version")
        return self._kept.of(kind, keys, read, version=version, most=most)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See one state of the tree in all that is read inside, whatever others write."""
        with self._lock:
            # Inside a transaction one does so anyway, and several threads may share a snapshot.
            if not self._watchers and not self._db.in_transaction:
                self._db.execute("BEGIN")
                self._watching = True
            self._watchers += 1
        try:
            yield
        finally:
            with self._lock:
                self._watchers -= 1
                if self._watching and not self._watchers:
                    self._watching = False
                    self._db.execute("COMMIT")

    # Nodes

    def node(self, node_id: int) -> Node:
        """Return a node by its id."""

        def read(_: Sequence[int]) -> dict[int, Node]:
            rows = self.rows(f"{_NODE} WHERE id = ?", (node_id,))
            if not rows:
                raise StoreError(
                    f"{self.path} has no node {node_id}.",
                    remedy=f"`unillmrec tree {self.path}` to see the nodes.",
                )
            return {node_id: _node(rows[0])}

        (found,) = self.kept("node", [node_id], read, most=KEPT_NODES)
        return found

    def children(self, node_id: int) -> list[Node]:
        """Return the children of a node in their order."""

        def read(_: Sequence[int]) -> dict[int, list[Node]]:
            rows = self.rows(f"{_NODE} WHERE parent = ? ORDER BY place", (node_id,))
            return {node_id: [_node(row) for row in rows]}

        (children,) = self.kept("children", [node_id], read, most=KEPT_BRANCHES)
        return children

    def ancestors(self, node_id: int) -> list[Node]:
        """Return the nodes from the root's child down to *node_id* itself."""
        return self.ancestors_by_node([node_id])[node_id]

    def ancestors_by_node(self, node_ids: Iterable[int]) -> dict[int, list[Node]]:
        """Return for each node those from the root's child down to itself, read together."""
        found: dict[int, Node] = {}
        ways: dict[int, list[Node]] = {}
        wanted = set(node_ids)
        missing = wanted - {ROOT}
        while missing:
            rows = self.rows(f"{_NODE} WHERE id {IN_LIST}", (sql_list(sorted(missing)),))
            found |= {row[0]: _node(row) for row in rows}
            if gone := missing - found.keys():
                self.node(min(gone))
            above = {found[each].parent for each in missing}
            missing = {each for each in above if each is not None} - found.keys() - {ROOT}
        for each in wanted:
            way: list[Node] = []
            at: int | None = each
            while at is not None and at != ROOT:
                way.append(found[at])
                at = found[at].parent
            ways[each] = way[::-1]
        return ways

    def node_vectors(self, node_ids: Sequence[int]) -> list[Vector]:
        """Return the sums of the vectors below nodes, in the order asked for."""
        return self._vectors("node_sum", "node", node_ids, precise=True)

    def node_similarities(self, query: Vector, node_ids: Sequence[int]) -> Floats:
        """Return the cosine of *query* with the sums below nodes, in the order asked for."""
        from unillmrec.tree.vectors import Stacked

        key = tuple(node_ids)

        def read(_: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], Stacked]:
            return {key: Stacked.of(self.node_vectors(key))}

        (stacked,) = self.kept("node vectors", [key], read, most=KEPT_STACKS)
        return stacked.similarities(query)

    # Items

    def items_in(self, leaf_ids: Sequence[int]) -> list[PlacedItem]:
        """Return the items of leaves, leaf by leaf in the order asked for."""
        rows = self.rows(f"{_ITEM} WHERE leaf {IN_LIST}", (sql_list(leaf_ids),))
        order = {leaf: place for place, leaf in enumerate(leaf_ids)}
        return sorted(map(_item, rows), key=lambda each: (order[each.leaf], each.number))

    def item_numbers_in(self, leaf_ids: Sequence[int]) -> list[int]:
        """Return the numbers of the items of leaves, leaf by leaf in the order asked for."""

        def read(leaves: Sequence[int]) -> dict[int, list[int]]:
            # Told to order them, SQLite would rather read all items than sort those of some leaves.
            query = f"SELECT leaf, number FROM item WHERE leaf {IN_LIST}"
            held: dict[int, list[int]] = {leaf: [] for leaf in leaves}
            for leaf, number in self.rows(query, (sql_list(leaves),)):
                held[leaf].append(number)
            return {leaf: sorted(numbers) for leaf, numbers in held.items()}

        parts = self.kept("numbers", leaf_ids, read, most=KEPT_BRANCHES)
        return [number for numbers in parts for number in numbers]

    def items_by_number(self, numbers: Sequence[int]) -> dict[int, PlacedItem]:
        """Return items by their numbers."""
        rows = self.rows(f"{_ITEM} WHERE number {IN_LIST}", (sql_list(numbers),))
        return {each.number: each for each in map(_item, rows)}

    def items_by_id(self, ids: Iterable[str]) -> dict[str, PlacedItem]:
        """Return items by their ids; an unknown id is left out."""
        rows = self.rows(f"{_ITEM} WHERE id {IN_LIST}", (sql_list(list(ids)),))
        return {each.item.id: each for each in map(_item, rows)}

    def locate(self, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Return the numbers and leaves of items by their ids; an unknown id is left out."""
        rows = self.rows(
            f"SELECT id, number, leaf FROM item WHERE id {IN_LIST}", (sql_list(list(ids)),)
        )
        return {item_id: (number, leaf) for item_id, number, leaf in rows}

    def titles(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return the titles of items by their numbers."""
        query = f"SELECT number, title FROM item WHERE number {IN_LIST}"
        return dict(self.rows(query, (sql_list(numbers),)))

    def nearest_id(self, item_id: str) -> str | None:
        """Return the id in the catalog that looks most like *item_id*, if one does."""
        # What the command line could not decode comes as halves of surrogate pairs.
        item_id = item_id.encode(errors="replace").decode()
        for length in range(len(item_id), 0, -1):
            start = item_id[:length]
            rows = self.rows(
                "SELECT id FROM item WHERE id >= ? AND id < ? ORDER BY id LIMIT 200",
                (start, start + "\U0010ffff"),
            )
            if rows:
                near = get_close_matches(item_id, [str(row[0]) for row in rows], 1, 0.5)
                return near[0] if near else None
        return None

    def item_vectors(self, numbers: Sequence[int]) -> list[Vector]:
        """Return the vectors of items, in the order asked for."""
        return self._vectors("item_vector", "item", numbers)

    def item_similarities(self, query: Vector, numbers: Sequence[int]) -> Floats:
        """Return the cosine of *query* with the vectors of items, in the order asked for."""
        from unillmrec.tree.vectors import packed_similarities

        packed = self._packed("item_vector", "item", numbers)
        return packed_similarities(query, packed, sparse=self.sparse)

    def item_matrix(self, numbers: Sequence[int]) -> csr_matrix | Floats:
        """Return the vectors of items as the rows of a matrix, in the order asked for."""
        return self._matrix("item_vector", "item", numbers)

    def node_matrix(self, node_ids: Sequence[int]) -> csr_matrix | Floats:
        """Return the sums of the vectors below nodes as rows, in the order asked for."""
        return self._matrix("node_sum", "node", node_ids, precise=True)

    def _matrix(
        self, table: str, key: str, wanted: Sequence[int], *, precise: bool = False
    ) -> csr_matrix | Floats:
        import numpy as np

        from unillmrec.tree.vectors import unpacked_rows

        packed = self._packed(table, key, wanted)
        width = int(self.facts["next_term"])
        rows = unpacked_rows(packed, width, sparse=self.sparse, precise=precise)
        if not isinstance(rows, np.ndarray):
            # Another process may have added terms since the facts were read.
            rows.resize((len(packed), max(width, int(rows.indices.max(initial=-1)) + 1)))
        return rows

    def _packed(self, table: str, key: str, wanted: Sequence[int]) -> list[bytes]:
        def read(keys: Sequence[int]) -> dict[int, bytes]:
            query = f"SELECT {key}, packed FROM {table} WHERE {key} {IN_LIST}"
            return dict(self.rows(query, (sql_list(keys),)))

        return self.kept(table, wanted, read, most=KEPT_VECTORS)

    def _vectors(
        self, table: str, key: str, wanted: Sequence[int], *, precise: bool = False
    ) -> list[Vector]:
        from unillmrec.tree.vectors import Vector

        packed = self._packed(table, key, wanted)
        return [Vector.from_bytes(each, sparse=self.sparse, precise=precise) for each in packed]

    # Terms

    def vector_of_text(self, text: str) -> Vector | None:
        """Return the vector of a sentence, or None if the tree's vectors are not of words."""
        if not self.sparse:
            return None
        from unillmrec.tree.query_words import sentence_words, variants
        from unillmrec.tree.terms import count_terms, term_vector

        said = [each for word in sentence_words(text) for each in variants(word)]
        known = self.known_terms(said)
        # Pieces of words come from words that are there; those of a misspelt one are all it has.
        fields = [([word for word in said if word in known] or sentence_words(text), 1.0)]
        used = count_terms(iter(fields), with_ngrams=bool(self.facts["pieces"]))
        return term_vector(used, known | self.known_terms(set(used) - known.keys()))

    def known_terms(self, terms: Iterable[str]) -> dict[str, tuple[int, float]]:
        """Return the id and the idf of those of *terms* that the catalog has."""
        import numpy as np

        from unillmrec.tree.terms import term_idf

        rows = self.rows(
            "SELECT term, id, used_by FROM term WHERE term IN (SELECT value FROM json_each(?))",
            (sql_list(list(terms)),),
        )
        idf = term_idf(np.array([used_by for _, _, used_by in rows]), len(self)).tolist()
        return {term: (number, each) for (term, number, _), each in zip(rows, idf, strict=True)}

    def terms_by_id(self, numbers: Sequence[int]) -> dict[int, tuple[str, int]]:
        """Return terms, and how many items use each, by their ids."""
        query = "SELECT id, term, used_by FROM term WHERE id IN (SELECT value FROM json_each(?))"
        return {
            number: (term, used) for number, term, used in self.rows(query, (sql_list(numbers),))
        }


_NODE = "SELECT id, parent, depth, size, leaf, description, prior, moved, stale FROM node"
IN_LIST = "IN (SELECT value FROM json_each(?))"
_ITEM = "SELECT number, id, title, text, path, attributes, leaf, prior FROM item"


def sql_list(values: Sequence[int] | Sequence[str]) -> str:
    """Return values for `IN_LIST`: one parameter, however many they are."""
    return json.dumps(list(values))


def _node(row: tuple[Any, ...]) -> Node:
    node_id, parent, depth, size, leaf, description, prior, moved, stale = row
    kept = Description.from_json(description)
    return Node(node_id, parent, depth, size, bool(leaf), kept, prior, moved, stale)


# Many people are shown the same items; the same row is the same value.
@lru_cache(4_096)
def _item(row: tuple[Any, ...]) -> PlacedItem:
    number, item_id, title, text, path, attributes, leaf, prior = row
    kept = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in json.loads(attributes).items()
    }
    item = Item(item_id, title, text, tuple(json.loads(path)), kept)
    return PlacedItem(number, item, leaf, prior)
