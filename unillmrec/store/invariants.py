"""Check the invariants of a tree, and describe each breach in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from unillmrec.store.item_tree import ItemTree
from unillmrec.store.nodes import ROOT

# How many ids a sentence lists.
LISTED = 5


class _Node(NamedTuple):
    id: int
    parent: int | None
    depth: int
    size: int
    is_leaf: bool


Nodes = Mapping[int, _Node]


def find_breaches(tree: ItemTree) -> Iterator[str]:
    """Yield a sentence for each broken invariant of *tree*; nothing if it is consistent."""
    query = "SELECT id, parent, depth, size, leaf FROM node ORDER BY id"
    rows = tree.unchecked_rows(query)
    unreadable = [row[0] for row in rows if not _is_readable(row)]
    if unreadable:
        yield f"{len(unreadable):,} nodes cannot be read: {_some(unreadable)}"
    nodes = {row[0]: _Node(*row) for row in rows if _is_readable(row)}
    if ROOT not in nodes:
        yield "there is no root"
    ((items,),) = tree.rows("SELECT count(*) FROM item")
    counts = dict(tree.unchecked_rows("SELECT leaf, count(*) FROM item GROUP BY leaf"))
    if items != len(tree):
        yield f"the tree says it has {len(tree):,} items and has {items:,}"
    yield from _check_parents_and_depths(nodes)
    yield from _check_child_counts(nodes, tree.facts["bounds"])
    yield from _check_sizes(nodes, counts, tree.facts["bounds"])
    yield from _check_leaf_column(tree, items)
    yield from _check_references(tree)
    yield from _check_file(tree)


def _is_readable(row: Sequence[object]) -> bool:
    _, parent, *numbers = row
    return isinstance(parent, int | None) and all(isinstance(each, int) for each in numbers)


def _some(ids: Sequence[object]) -> str:
    return ", ".join(map(str, ids[:LISTED])) + (", …" if len(ids) > LISTED else "")


def _check_parents_and_depths(nodes: Nodes) -> Iterator[str]:
    """Check that every node descends from the root, at its stored depth, without a cycle."""
    children = _children(nodes)
    depths = {ROOT: 0} if ROOT in nodes else {}
    waiting = list(depths)
    while waiting:
        node = waiting.pop()
        for child in children[node]:
            # If the root has a parent, this would never end.
            if child not in depths:
                depths[child] = depths[node] + 1
                waiting.append(child)
    for node, parent, depth, *_ in nodes.values():
        if node == ROOT and parent is not None:
            yield f"the root has a parent, node {parent}"
        if node not in depths:
            yield f"node {node} does not descend from the root (its parent is {parent})"
        elif depths[node] != depth:
            yield f"node {node} is at depth {depths[node]} and says {depth}"


def _check_child_counts(nodes: Nodes, bounds: Mapping[str, int]) -> Iterator[str]:
    """Check that leaves have no children, and branches neither too few nor too many."""
    for node, children in _children(nodes).items():
        most = bounds["root_children" if node == ROOT else "most_children"]
        if nodes[node].is_leaf and children:
            yield f"leaf {node} has {len(children)} children"
        elif not nodes[node].is_leaf and len(children) < 2:
            yield f"branch {node} has {len(children)} children; it should have been removed"
        elif len(children) > most:
            yield f"branch {node} has {len(children)} children; {most} are allowed"


def _children(nodes: Nodes) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {node: [] for node in nodes}
    for node, parent, *_ in nodes.values():
        if parent in children:
            children[parent].append(node)
    return children


def _check_sizes(
    nodes: Nodes, counts: Mapping[int | None, int], bounds: Mapping[str, int]
) -> Iterator[str]:
    """Check the stored sizes, and that items are in leaves only and not too many in one."""
    sums = {node: counts.get(node, 0) for node in nodes}
    for node, parent, *_ in sorted(nodes.values(), key=lambda row: -row.depth):
        if parent in sums:
            sums[parent] += sums[node]
    for leaf, count in counts.items():
        if leaf is None or leaf not in nodes or not nodes[leaf].is_leaf:
            yield f"{count:,} items are in {leaf}, which is not a leaf"
    for node, _, _, size, is_leaf in nodes.values():
        if size != sums[node]:
            yield f"node {node} holds {sums[node]:,} items and says {size:,}"
        if is_leaf and sums[node] > bounds["leaf_capacity"]:
            yield f"leaf {node} holds {sums[node]:,} items; {bounds['leaf_capacity']} are allowed"


def _check_leaf_column(tree: ItemTree, items: int) -> Iterator[str]:
    """Check that the column from which eligible items are counted has each item's leaf."""
    from unillmrec.store.columns.reader import ColumnReader

    wrong = seen = 0
    ((highest,),) = tree.rows("SELECT max(number) FROM item")
    for segment in ColumnReader(tree.rows).segments(0 if highest is None else highest + 1):
        leaves = segment.leaves()
        query = "SELECT number, leaf FROM item WHERE number >= ? AND number < ?"
        rows = tree.unchecked_rows(query, (segment.start, segment.start + segment.size))
        right = sum(int(leaves[number - segment.start]) == leaf for number, leaf in rows)
        wrong += max(len(rows), int((leaves >= 0).sum())) - right
        seen += len(rows)
    wrong += items - seen
    if wrong:
        yield f"the columns have {wrong:,} items in another leaf than the tree"


def _check_references(tree: ItemTree) -> Iterator[str]:
    """Check that every item has a vector and every node a sum, and that none is left over."""
    for problem, query in (
        ("items without a vector", "SELECT number FROM item EXCEPT SELECT item FROM item_vector"),
        ("vectors without an item", "SELECT item FROM item_vector EXCEPT SELECT number FROM item"),
        ("nodes without a sum", "SELECT id FROM node EXCEPT SELECT node FROM node_sum"),
        ("sums without a node", "SELECT node FROM node_sum EXCEPT SELECT id FROM node"),
        ("terms with a negative count", "SELECT id FROM term WHERE used_by < 0"),
    ):
        rows = tree.rows(query)
        if rows:
            yield f"{len(rows):,} {problem}: {_some([row[0] for row in rows])}"


def _check_file(tree: ItemTree) -> Iterator[str]:
    ((result,),) = tree.rows("PRAGMA integrity_check(1)")
    if result != "ok":
        yield f"the file is damaged: {result}"
