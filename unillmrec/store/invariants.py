"""Whether a tree is what it should be: every invariant, each breach a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from unillmrec.store.item_tree import ItemTree
from unillmrec.store.nodes import ROOT

SHOWN = 5

Nodes = Mapping[int, tuple[Any, ...]]
"""By id: id, parent, depth, size, whether it is a leaf."""


def breaches(tree: ItemTree) -> Iterator[str]:
    """Return what is wrong with a tree; nothing if all is well."""
    query = "SELECT id, parent, depth, size, leaf FROM node ORDER BY id"
    nodes = {row[0]: row for row in tree.rows(query)}
    (items,) = tree.rows("SELECT count(*) FROM item")[0]
    held = dict(tree.rows("SELECT leaf, count(*) FROM item GROUP BY leaf"))
    if items != len(tree):
        yield f"the tree says it has {len(tree):,} items and has {items:,}"
    yield from _hanging(nodes)
    yield from _families(nodes, tree.facts["bounds"])
    yield from _filled(nodes, held, tree.facts["bounds"])
    yield from _in_step(tree)
    yield from _complete(tree)


def _hanging(nodes: Nodes) -> Iterator[str]:
    """Check that every node hangs from the root, at the depth it says, without a cycle."""
    children = _children(nodes)
    depths = {ROOT: 0} if ROOT in nodes else {}
    waiting = list(depths)
    while waiting:
        at = waiting.pop()
        for child in children[at]:
            # Where the root has a parent, the way down would never end.
            if child not in depths:
                depths[child] = depths[at] + 1
                waiting.append(child)
    for node, parent, depth, *_ in nodes.values():
        if node == ROOT and parent is not None:
            yield f"the root has a parent, node {parent}"
        if node not in depths:
            yield f"node {node} does not hang from the root (its parent is {parent})"
        elif depths[node] != depth:
            yield f"node {node} is at depth {depths[node]} and says {depth}"


def _families(nodes: Nodes, bounds: Mapping[str, int]) -> Iterator[str]:
    """Check that leaves have no children, and branches neither too few nor too many."""
    for node, family in _children(nodes).items():
        is_leaf = bool(nodes[node][4])
        most = bounds["root_children" if node == ROOT else "most_children"]
        if is_leaf and family:
            yield f"leaf {node} has {len(family)} children"
        elif not is_leaf and len(family) < 2:
            yield f"branch {node} has {len(family)} children; it should have gone"
        elif len(family) > most:
            yield f"branch {node} has {len(family)} children; {most} are allowed"


def _children(nodes: Nodes) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {node: [] for node in nodes}
    for node, parent, *_ in nodes.values():
        if parent in children:
            children[parent].append(node)
    return children


def _filled(
    nodes: Nodes, held: Mapping[int | None, int], bounds: Mapping[str, int]
) -> Iterator[str]:
    """Check counts, and that items sit in leaves only and not too many in one."""
    sums = {node: held.get(node, 0) for node in nodes}
    for node, parent, *_ in sorted(nodes.values(), key=lambda row: -row[2]):
        if parent in sums:
            sums[parent] += sums[node]
    for home, count in held.items():
        if home is None or home not in nodes or not nodes[home][4]:
            yield f"{count:,} items sit in {home}, which is no leaf"
    for node, _, _, size, leaf in nodes.values():
        if size != sums[node]:
            yield f"node {node} holds {sums[node]:,} items and says {size:,}"
        if leaf and sums[node] > bounds["leaf_capacity"]:
            yield f"leaf {node} holds {sums[node]:,} items; {bounds['leaf_capacity']} are allowed"


def _in_step(tree: ItemTree) -> Iterator[str]:
    """Check that the columns, from which eligible items are counted, know each item's leaf."""
    from unillmrec.store.columns.reader import ColumnReader

    wrong = seen = 0
    for stretch in ColumnReader(tree.rows).stretches():
        leaves = stretch.leaves()
        query = "SELECT number, leaf FROM item WHERE number >= ? AND number < ?"
        rows = tree.rows(query, (stretch.start, stretch.start + stretch.size))
        told = sum(int(leaves[number - stretch.start]) == leaf for number, leaf in rows)
        wrong += max(len(rows), int((leaves >= 0).sum())) - told
        seen += len(rows)
    (items,) = tree.rows("SELECT count(*) FROM item")[0]
    wrong += items - seen
    if wrong:
        yield f"the columns have {wrong:,} items in another leaf than the tree"


def _complete(tree: ItemTree) -> Iterator[str]:
    """Check that vectors and sums are there for everything, and for nothing else."""
    for what, query in (
        ("items without a vector", "SELECT number FROM item EXCEPT SELECT item FROM item_vector"),
        ("vectors without an item", "SELECT item FROM item_vector EXCEPT SELECT number FROM item"),
        ("nodes without a sum", "SELECT id FROM node EXCEPT SELECT node FROM node_sum"),
        ("sums without a node", "SELECT node FROM node_sum EXCEPT SELECT id FROM node"),
        ("terms used by fewer than no items", "SELECT id FROM term WHERE used_by < 0"),
    ):
        found = tree.rows(query)
        if found:
            shown = ", ".join(str(row[0]) for row in found[:SHOWN])
            yield f"{len(found):,} {what}: {shown}{', …' if len(found) > SHOWN else ''}"
    (result,) = tree.rows("PRAGMA quick_check(1)")[0]
    if result != "ok":
        yield f"the file is damaged: {result}"
