"""Add, move, renumber and remove nodes, and keep their counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from unillmrec.store.decoding import MAX_DEPTH, damaged
from unillmrec.store.editing.editable_file import EditableFile
from unillmrec.store.nodes import ROOT
from unillmrec.store.rows import NodeRow
from unillmrec.store.tree_file import IN_LIST, sql_list

_COLUMNS = "id, parent, place, depth, size, leaf, description, spans, prior, moved, stale"


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node as changes need it: its place in the tree and its counts.

    The description and the value spans are still packed.
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
    """The new size, popularity and packed vector sum of a node."""

    id: int
    size: int
    prior: float
    packed: bytes


class NodeEdits(EditableFile):
    """The nodes of a tree that can be changed, and the queries that changes need."""

    def node_states(self, node_ids: Sequence[int]) -> dict[int, NodeState]:
        """Return nodes by id; unknown ids are left out."""
        query = f"SELECT {_COLUMNS} FROM node WHERE id {IN_LIST}"
        return {row[0]: self._state(row) for row in self.rows(query, (sql_list(node_ids),))}

    def child_states(self, node_ids: Sequence[int]) -> dict[int, list[NodeState]]:
        """Return the children of nodes, in their order."""
        query = f"SELECT {_COLUMNS} FROM node WHERE parent {IN_LIST} ORDER BY parent, place"
        children: dict[int, list[NodeState]] = {node: [] for node in node_ids}
        for row in self.rows(query, (sql_list(node_ids),)):
            children[row[1]].append(self._state(row))
        return children

    def child_ids(self, node_ids: Sequence[int]) -> dict[int, list[tuple[int, bool]]]:
        """Return (child, is it a leaf) pairs of nodes, in their order."""
        query = f"SELECT parent, id, leaf FROM node WHERE parent {IN_LIST} ORDER BY parent, place"
        children: dict[int, list[tuple[int, bool]]] = {node: [] for node in node_ids}
        for parent, node, leaf in self.rows(query, (sql_list(node_ids),)):
            children[parent].append((node, bool(leaf)))
        return children

    def children_with_sums(self, node_ids: Sequence[int]) -> list[tuple[int, int, bool, bytes]]:
        """Return (parent, child, is it a leaf, packed sum), by parent and in order."""
        query = (
            "SELECT parent, id, leaf, packed FROM node JOIN node_sum ON node = id"
            f" WHERE parent {IN_LIST} ORDER BY parent, place"
        )
        rows: list[tuple[Any, ...]] = self.rows(query, (sql_list(node_ids),))
        return rows

    def states_with_ancestors(self, node_ids: Iterable[int]) -> dict[int, NodeState]:
        """Return nodes and all their ancestors by id."""
        return self.node_states(sorted(self.parents_up_to_root(node_ids)))

    def parents_up_to_root(self, node_ids: Iterable[int]) -> dict[int, int | None]:
        """Return the parent of each node and of each of its ancestors."""
        # Without CROSS JOIN, SQLite scans all nodes to find the parents of a few.
        query = (
            f"WITH RECURSIVE way (id, parent) AS (SELECT id, parent FROM node WHERE id {IN_LIST}"
            " UNION SELECT node.id, node.parent FROM way CROSS JOIN node ON node.id = way.parent)"
            " SELECT id, parent FROM way"
        )
        parents = dict(self.rows(query, (sql_list(sorted(node_ids)),)))
        self._check_reach_root(parents)
        return parents

    def _check_reach_root(self, parents: Mapping[int, int | None]) -> None:
        """Raise an error if a node is its own ancestor, or a parent is missing."""
        checked: set[int | None] = {None}
        for node in parents:
            path: list[int | None] = []
            at: int | None = node
            while at not in checked:
                if at is None or at not in parents or len(path) > MAX_DEPTH:
                    raise damaged(self.path, f"node {node} does not descend from the root")
                path.append(at)
                at = parents[at]
            checked.update(path)

    def sizes_and_priors(self, node_ids: Sequence[int]) -> dict[int, tuple[int, float]]:
        """Return how many items nodes hold, and how popular these are."""
        query = f"SELECT id, size, prior FROM node WHERE id {IN_LIST}"
        rows = self.rows(query, (sql_list(node_ids),))
        return {node: (size, prior) for node, size, prior in rows}

    def subtree(self, node_id: int) -> list[tuple[int, bool]]:
        """Return (node, is it a leaf) of a node and all its descendants, by id."""
        nodes = self.rows("SELECT id, leaf FROM node WHERE id = ?", (node_id,))
        level, found = [node_id], {node_id}
        while level:
            query = f"SELECT id, leaf FROM node WHERE parent {IN_LIST}"
            rows = self.rows(query, (sql_list(level),))
            level = [node for node, leaf in rows if not leaf]
            nodes += rows
            if not found.isdisjoint(level):
                raise damaged(self.path, f"node {node_id} is its own ancestor")
            found.update(level)
        return [(node, bool(leaf)) for node, leaf in sorted(nodes)]

    def packed_sums(self, node_ids: Sequence[int]) -> list[bytes]:
        """Return the packed vector sums of nodes, in the order of *node_ids*."""
        return self._packed("node_sum", "node", node_ids, precise=True)

    def put_nodes(self, rows: Iterable[NodeRow]) -> None:
        """Add or replace nodes and their vector sums."""
        nodes = list(rows)
        self._execute_many(
            f"INSERT OR REPLACE INTO node ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(row.id, row.parent, row.place, row.depth, row.size, row.leaf),
                    *(row.description, row.spans, row.prior, row.moved, row.stale),
                )
                for row in nodes
            ],
        )
        sums = [(row.id, row.packed) for row in nodes]
        self._execute_many("INSERT OR REPLACE INTO node_sum VALUES (?, ?)", sums)

    def update_totals(self, totals: Sequence[NodeTotals]) -> None:
        """Write the new size, popularity and vector sum of nodes."""
        self._execute_many(
            "UPDATE node SET size = ?, prior = ? WHERE id = ?",
            [(each.size, each.prior, each.id) for each in totals],
        )
        self._execute_many(
            "UPDATE node_sum SET packed = ? WHERE node = ?",
            [(each.packed, each.id) for each in totals],
        )

    def set_descriptions(self, rows: Iterable[tuple[str, int, int]]) -> None:
        """Write (description, number of items changed since, node) rows."""
        self._execute_many("UPDATE node SET description = ?, stale = ? WHERE id = ?", rows)

    def mark_summaries_stale(self, depth: int | None = None) -> None:
        """Mark every summary, down to level *depth*, as out of date."""
        self._execute(
            "UPDATE node SET stale = max(stale, size) WHERE depth <= coalesce(?, depth)"
            " AND json_extract(description, '$.summary') != ''",
            (depth,),
        )

    def remove_nodes(self, node_ids: Sequence[int]) -> None:
        """Remove nodes and their vector sums."""
        self._execute(f"DELETE FROM node WHERE id {IN_LIST}", (sql_list(node_ids),))
        self._execute(f"DELETE FROM node_sum WHERE node {IN_LIST}", (sql_list(node_ids),))

    def move_node(self, node_id: int, parent: int, place: int, depth_change: int) -> None:
        """Move a node with its subtree below another parent, and correct their depths."""
        self._execute(
            "UPDATE node SET parent = ?, place = ? WHERE id = ?", (parent, place, node_id)
        )
        if depth_change:
            moved = [node for node, _ in self.subtree(node_id)]
            self._execute(
                f"UPDATE node SET depth = depth + ? WHERE id {IN_LIST}",
                (depth_change, sql_list(moved)),
            )

    def reorder_children(self, children: Sequence[int]) -> None:
        """Number siblings in the order of *children*."""
        self._execute_many("UPDATE node SET place = ? WHERE id = ?", list(enumerate(children)))

    def add_move_counts(self, counts: Mapping[int, int]) -> None:
        """Add to the number of items added or removed below nodes.

        Only summaries by a model become stale; keyword descriptions are always up to date.
        """
        self._execute_many(
            "UPDATE node SET moved = moved + ?,"
            ' stale = stale + ? * (instr(description, \'"summary":""\') = 0) WHERE id = ?',
            [(count, count, node) for node, count in counts.items()],
        )

    def _state(self, row: Sequence[Any]) -> NodeState:
        node, parent, place, depth, size, leaf, description, spans, prior, moved, stale = row
        if (parent is None) != (node == ROOT) or size < 0 or not math.isfinite(prior):
            raise damaged(self.path, f"node {node} has an impossible parent, size or popularity")
        return NodeState(
            *(node, parent, place, depth, size, bool(leaf), moved, stale, description, prior, spans)
        )
