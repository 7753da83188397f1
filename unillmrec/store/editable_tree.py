"""A tree opened to be changed: one writer, many readers, every change in a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from unillmrec.errors import StoreError
from unillmrec.items import ItemFields
from unillmrec.store.files import connect_to_change
from unillmrec.store.item_tree import IN_LIST, ItemTree, sql_list
from unillmrec.store.nodes import PlacedItem
from unillmrec.store.writer import NodeRow, item_rows

if TYPE_CHECKING:
    from unillmrec.store.columns.writer import ColumnWriter

_NODE_COLUMNS = "id, parent, place, depth, size, leaf, description, spans, prior, moved, stale"


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node as changes need to see it: where it hangs, how much of it moved.

    Its description and its spans stay packed until somebody needs them.
    """

    id: int
    parent: int | None
    place: int
    depth: int
    size: int
    is_leaf: bool
    moved: int
    stale: int
    description: str
    prior: float
    packed_spans: str


class NodeTotals(NamedTuple):
    """What a node has come to hold, its sum packed, where nothing else about it changed."""

    id: int
    size: int
    prior: float
    packed: bytes


class LeafItem(NamedTuple):
    """An item of a leaf, its attributes and vector still packed."""

    leaf: int
    number: int
    prior: float
    attributes: str
    packed: bytes


class EditableTree(ItemTree):
    """An item tree with a writer's hands. Writes happen inside `transaction` only."""

    _KEEPS = False

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._columns: ColumnWriter | None = None
        super().__init__(path, db)

    @classmethod
    def open(cls, path: str | Path) -> EditableTree:
        """Open a tree file to change it; an older layout is brought up to date first.

        Raises:
            StoreError: it is missing, no tree file, newer than this program, or read-only.
        """
        path = Path(path)
        return cls(path, connect_to_change(path))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do everything inside, or nothing of it."""
        self._execute("BEGIN IMMEDIATE")
        try:
            # Another process may have changed the tree since this one looked.
            self.facts = self._read_facts()
            yield
            self._flush_columns()
            self._write_facts()
            self._execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself where the disk is full.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self.facts = self._read_facts()
            raise
        finally:
            self._columns = None

    def version(self) -> int:
        """Return a number that changes when another connection has changed the file."""
        (version,) = self.rows("PRAGMA data_version")[0]
        return int(version)

    def _flush_columns(self) -> None:
        if self._columns is not None:
            with self._told():
                self._columns.flush()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what SQLite complains of into an error that says what it means."""
        try:
            yield
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise _not_changed(self.path, error) from error

    def _column_writer(self) -> ColumnWriter:
        """Return what keeps the columns in step; what was rolled back it must not remember."""
        if self._columns is None:
            from unillmrec.store.columns.writer import ColumnWriter

            self._columns = ColumnWriter(self._db)
        return self._columns

    def _execute(self, statement: str, values: Sequence[object] = ()) -> None:
        with self._told():
            self._db.execute(statement, values)

    def _many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        with self._told():
            self._db.executemany(statement, rows)

    def _write_facts(self) -> None:
        self._many(
            "INSERT INTO fact VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            " WHERE value != excluded.value",
            [(name, json.dumps(value, ensure_ascii=False)) for name, value in self.facts.items()],
        )

    def take_numbers(self, kind: str, count: int) -> range:
        """Take *count* numbers for new nodes, items or terms; none is ever used again."""
        first = int(self.facts[f"next_{kind}"])
        self.facts[f"next_{kind}"] = first + count
        return range(first, first + count)

    # Items

    def put_items(
        self, items: Sequence[PlacedItem], before: Mapping[int, PlacedItem] | None = None
    ) -> None:
        """Write items; those that are in the tree already are given as they were *before*."""
        fields = ItemFields.of([each.item for each in items])
        rows = item_rows([each.number for each in items], fields)
        self._many(
            "INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*row, each.leaf, each.prior) for row, each in zip(rows, items, strict=True)],
        )
        columns = self._column_writer()
        with self._told():
            for each in items:
                old = before.get(each.number) if before else None
                columns.put(each.number, each.item, old.item if old else None)
                if old is None or old.leaf != each.leaf:
                    columns.place(each.number, each.leaf)

    def put_vectors(self, vectors: Iterable[tuple[int, bytes]]) -> None:
        """Write (item, packed vector) pairs."""
        self._many("INSERT OR REPLACE INTO item_vector VALUES (?, ?)", vectors)

    def remove_items(self, items: Sequence[PlacedItem]) -> None:
        """Take items out, with their vectors."""
        numbers = [each.number for each in items]
        columns = self._column_writer()
        with self._told():
            for each in items:
                columns.put(each.number, None, each.item)
                columns.place(each.number, None)
        self._execute(f"DELETE FROM item WHERE number {IN_LIST}", (sql_list(numbers),))
        self._execute(f"DELETE FROM item_vector WHERE item {IN_LIST}", (sql_list(numbers),))

    def move_items(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Put items into leaves, by (leaf, item) pairs."""
        kept = list(pairs)
        self._many("UPDATE item SET leaf = ? WHERE number = ?", kept)
        columns = self._column_writer()
        with self._told():
            for leaf, number in kept:
                columns.place(number, leaf)

    def leaf_sizes(self, leaves: Sequence[int]) -> dict[int, int]:
        """Return how many items sit in each of *leaves*."""
        query = f"SELECT leaf, count(*) FROM item WHERE leaf {IN_LIST} GROUP BY leaf"
        return dict.fromkeys(leaves, 0) | dict(self.rows(query, (sql_list(leaves),)))

    def numbers_by_leaf(self, leaves: Sequence[int]) -> dict[int, list[int]]:
        """Return the numbers of the items of each leaf, ascending."""
        query = f"SELECT leaf, number FROM item WHERE leaf {IN_LIST} ORDER BY number"
        found: dict[int, list[int]] = {leaf: [] for leaf in leaves}
        for leaf, number in self.rows(query, (sql_list(leaves),)):
            found[leaf].append(number)
        return found

    def leaf_items(self, leaves: Sequence[int]) -> list[LeafItem]:
        """Return what leaves hold, leaf by leaf, as much of it as summing up needs."""
        query = (
            "SELECT leaf, number, prior, attributes, packed FROM item"
            f" JOIN item_vector ON item = number WHERE leaf {IN_LIST} ORDER BY leaf, number"
        )
        return [LeafItem(*row) for row in self.rows(query, (sql_list(leaves),))]

    def content_hashes(self) -> dict[str, bytes]:
        """Return the content hash of every item by its id."""
        return dict(self.rows("SELECT id, hash FROM item"))

    # Nodes

    def node_states(self, node_ids: Sequence[int]) -> dict[int, NodeState]:
        """Return nodes by id."""
        query = f"SELECT {_NODE_COLUMNS} FROM node WHERE id {IN_LIST}"
        return {row[0]: _state(row) for row in self.rows(query, (sql_list(node_ids),))}

    def child_states(self, node_ids: Sequence[int]) -> dict[int, list[NodeState]]:
        """Return the children of nodes, in their order."""
        query = f"SELECT {_NODE_COLUMNS} FROM node WHERE parent {IN_LIST} ORDER BY parent, place"
        found: dict[int, list[NodeState]] = {node: [] for node in node_ids}
        for row in self.rows(query, (sql_list(node_ids),)):
            found[row[1]].append(_state(row))
        return found

    def states_with_ancestors(self, node_ids: Iterable[int]) -> dict[int, NodeState]:
        """Return nodes and everything above them."""
        return self.node_states(sorted(self.parents_up_to_root(node_ids)))

    def parents_up_to_root(self, node_ids: Iterable[int]) -> dict[int, int | None]:
        """Return the parents of nodes and of everything above them."""
        # Left to itself SQLite reads all nodes to find the parents of a few.
        query = (
            f"WITH RECURSIVE way (id, parent) AS (SELECT id, parent FROM node WHERE id {IN_LIST}"
            " UNION SELECT node.id, node.parent FROM way CROSS JOIN node ON node.id = way.parent)"
            " SELECT id, parent FROM way"
        )
        return dict(self.rows(query, (sql_list(sorted(node_ids)),)))

    def child_ids(self, node_ids: Sequence[int]) -> dict[int, list[tuple[int, bool]]]:
        """Return the children of nodes, in their order, each with whether it is a leaf."""
        query = f"SELECT parent, id, leaf FROM node WHERE parent {IN_LIST} ORDER BY parent, place"
        found: dict[int, list[tuple[int, bool]]] = {node: [] for node in node_ids}
        for parent, node, leaf in self.rows(query, (sql_list(node_ids),)):
            found[parent].append((node, bool(leaf)))
        return found

    def children_with_sums(self, node_ids: Sequence[int]) -> list[tuple[int, int, bool, bytes]]:
        """Return (parent, child, whether it is a leaf, its packed sum), by parent and in order."""
        query = (
            "SELECT parent, id, leaf, packed FROM node JOIN node_sum ON node = id"
            f" WHERE parent {IN_LIST} ORDER BY parent, place"
        )
        rows: list[tuple[Any, ...]] = self.rows(query, (sql_list(node_ids),))
        return rows

    def sizes_and_priors(self, node_ids: Sequence[int]) -> dict[int, tuple[int, float]]:
        """Return how many items nodes hold, and how popular these are."""
        query = f"SELECT id, size, prior FROM node WHERE id {IN_LIST}"
        rows = self.rows(query, (sql_list(node_ids),))
        return {node: (size, prior) for node, size, prior in rows}

    def subtree(self, node_id: int) -> list[tuple[int, bool]]:
        """Return a node and all nodes below it, each with whether it is a leaf."""
        found = self.rows("SELECT id, leaf FROM node WHERE id = ?", (node_id,))
        level = [node_id]
        while level:
            query = f"SELECT id, leaf FROM node WHERE parent {IN_LIST}"
            rows = self.rows(query, (sql_list(level),))
            level = [node for node, leaf in rows if not leaf]
            found += rows
        return [(node, bool(leaf)) for node, leaf in sorted(found)]

    def packed_sums(self, node_ids: Sequence[int]) -> list[bytes]:
        """Return the sums of the vectors below nodes, packed, in the order asked for."""
        return self._packed("node_sum", "node", node_ids)

    def packed_vectors(self, numbers: Sequence[int]) -> list[bytes]:
        """Return the vectors of items, packed, in the order asked for."""
        return self._packed("item_vector", "item", numbers)

    def put_nodes(self, rows: Iterable[NodeRow]) -> None:
        """Write nodes with the sums of what is below them."""
        kept = list(rows)
        self._many(
            f"INSERT OR REPLACE INTO node ({_NODE_COLUMNS})"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(row.id, row.parent, row.place, row.depth, row.size, row.leaf),
                    *(row.description, row.spans, row.prior, row.moved, row.stale),
                )
                for row in kept
            ],
        )
        self._many(
            "INSERT OR REPLACE INTO node_sum VALUES (?, ?)", [(r.id, r.packed) for r in kept]
        )

    def update_totals(self, gains: Sequence[NodeTotals]) -> None:
        """Write what nodes have come to hold."""
        self._many(
            "UPDATE node SET size = ?, prior = ? WHERE id = ?",
            [(gain.size, gain.prior, gain.id) for gain in gains],
        )
        self._many(
            "UPDATE node_sum SET packed = ? WHERE node = ?",
            [(gain.packed, gain.id) for gain in gains],
        )

    def set_descriptions(self, rows: Iterable[tuple[str, int, int]]) -> None:
        """Write what nodes say of themselves: (description, how stale it is, node)."""
        self._many("UPDATE node SET description = ?, stale = ? WHERE id = ?", rows)

    def mark_summaries_stale(self, depth: int | None = None) -> None:
        """Mark every summary, down to level *depth*, as out of date."""
        self._execute(
            "UPDATE node SET stale = max(stale, size) WHERE depth <= coalesce(?, depth)"
            " AND json_extract(description, '$.summary') != ''",
            (depth,),
        )

    def remove_nodes(self, node_ids: Sequence[int]) -> None:
        """Take nodes out."""
        self._execute(f"DELETE FROM node WHERE id {IN_LIST}", (sql_list(node_ids),))
        self._execute(f"DELETE FROM node_sum WHERE node {IN_LIST}", (sql_list(node_ids),))

    def move_node(self, node_id: int, parent: int, place: int, deeper: int) -> None:
        """Hang a node, with all below it, under another parent, *deeper* by so much."""
        self._execute(
            "UPDATE node SET parent = ?, place = ? WHERE id = ?", (parent, place, node_id)
        )
        if deeper:
            below = [node for node, _ in self.subtree(node_id)]
            self._execute(
                f"UPDATE node SET depth = depth + ? WHERE id {IN_LIST}", (deeper, sql_list(below))
            )

    def reorder_children(self, children: Sequence[int]) -> None:
        """Give children their places in the order given."""
        self._many("UPDATE node SET place = ? WHERE id = ?", list(enumerate(children)))

    def add_move_counts(self, node_counts: Mapping[int, int]) -> None:
        """Add to how many items came or went below nodes since they were grown.

        Words are always fresh; only a summary by a model gets older.
        """
        self._many(
            "UPDATE node SET moved = moved + ?,"
            ' stale = stale + ? * (instr(description, \'"summary":""\') = 0) WHERE id = ?',
            [(count, count, node) for node, count in node_counts.items()],
        )

    # Terms

    def add_term_counts(self, used_more: Mapping[str, int]) -> None:
        """Add to how many items use terms; a new term gets the next number."""
        known = {
            term
            for (term,) in self.rows(
                f"SELECT term FROM term WHERE term {IN_LIST}", (sql_list(list(used_more)),)
            )
        }
        fresh = [term for term, more in used_more.items() if term not in known and more > 0]
        numbers = self.take_numbers("term", len(fresh))
        self._many("INSERT INTO term VALUES (?, ?, 0)", list(zip(numbers, fresh, strict=True)))
        self._many(
            "UPDATE term SET used_by = max(used_by + ?, 0) WHERE term = ?",
            [(more, term) for term, more in used_more.items()],
        )


def _state(row: Sequence[Any]) -> NodeState:
    node, parent, place, depth, size, leaf, description, spans, prior, moved, stale = row
    return NodeState(
        *(node, parent, place, depth, size, bool(leaf), moved, stale, description, prior, spans)
    )


def _not_changed(path: Path, error: sqlite3.Error | UnicodeEncodeError) -> StoreError:
    reason, remedy = str(error), "check the free space and the permissions of the file."
    if isinstance(error, UnicodeEncodeError):
        reason = f"an item holds half a surrogate pair, in {error.object[:80]!r}"
        remedy = "take it out of the catalog."
    if "locked" in reason or "busy" in reason:
        reason, remedy = "another process is changing it", "again when that one is done."
    return StoreError(
        f"{path} cannot be changed: {reason}.", detail="Nothing was changed.", remedy=remedy
    )
