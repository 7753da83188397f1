"""Place items in a tree of category paths, and add the categories that it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.store import ROOT, EditableTree, NodeRow, NodeState
from unillmrec.tree.category_paths import Category, PathReader
from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import Rows
from unillmrec.tree.node_names import (
    are_parts,
    is_group,
    join_names,
    label_key,
    name_after_label,
    name_of,
    replace_name,
)
from unillmrec.tree.path_growing import SMALL_LEAF
from unillmrec.tree.vector_rows import row_vector
from unillmrec.tree.vectors import NODE_TERMS, Floats, Vector, sum_vectors
from unillmrec.updating.placement.nearest_leaf import ChangeSet, nearest_leaves

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

OWN = ("General", "No subcategory")
WITHOUT = ("No category", "Without category")
OTHERS = ("Other", "More", "Further")


def categories_of(items: Sequence[Item]) -> Category:
    """Return the category tree of *items*, with the items' positions as rows."""
    reader = PathReader()
    for item in items:
        reader.add(item)
    try:
        return reader.finish()[0]
    except TreeError:
        # No item has a path.
        return Category("", np.arange(len(items)), [], len(items))


def choose_leaves(
    tree: EditableTree, items: Sequence[Item], rows: csr_matrix | Floats, changes: ChangeSet
) -> list[int]:
    """Return the leaf for each item: the nearest one; in a tree of paths, below its category.

    *rows* are the items' vectors.
    """
    starts = None
    if is_path_tree(tree):
        placer = PathPlacer(tree)
        starts = placer.find_starts(items, rows)
        changes.nodes |= placer.changed
    return nearest_leaves(tree, rows, starts)


def is_path_tree(tree: EditableTree) -> bool:
    """Return whether a tree was built along the catalog's category paths."""
    return bool(tree.facts.get("tree", "clusters") != "clusters")


class PathPlacer:
    """Finds the node of each item's category in a tree of paths.

    A category that the tree lacks gets a new leaf; *changed* are the nodes that are new or moved.
    """

    def __init__(self, tree: EditableTree) -> None:
        self.tree = tree
        self.changed: set[int] = set()
        self._shares = tree.facts["tree"] == "paths+clusters"
        self._children_by_node: dict[int, list[NodeState]] = {}
        self._starts: list[int] = []
        self._vectors: csr_matrix | Floats = np.zeros((0, 0), np.float32)

    def find_starts(self, items: Sequence[Item], vectors: csr_matrix | Floats) -> list[int]:
        """Return for each item the node below which its nearest leaf is searched."""
        self._starts = [ROOT] * len(items)
        self._vectors = vectors
        root = self.tree.node_states([ROOT])[ROOT]
        if root.is_leaf:
            # New items may have other categories; these are sorted out when the leaf is split.
            self._rename(root, "")
        else:
            self._enter(categories_of(items), root, name_of(root.description))
        return self._starts

    def _enter(self, category: Category, node: NodeState, name: str) -> None:
        """Place the items of *category* below its node; *name* is the rest of the node's name.

        The name of a node can join several levels, like "Drinks > Tea".
        """
        at = category
        passed = ""
        while name:
            only = at.children[0] if len(at.children) == 1 and not len(at.rows) else None
            rest = name_after_label(name, only.label) if only else None
            if only is None or rest is None:
                node = self._split_levels(node, passed, name)
                break
            passed, name, at = join_names(passed, only.label), rest, only
        self._place_below(at, node)

    def _place_below(self, category: Category, node: NodeState) -> None:
        if self._has_no_categories(node, name_of(node.description)):
            self._set_start(_rows_below(category), node.id)
            return
        if len(category.rows):
            self._set_start(category.rows, self._own_leaf(category, node))
        for child in category.children:
            self._place_in_child(child, node)

    def _has_no_categories(self, node: NodeState, name: str) -> bool:
        """Return whether the children of a node are parts of one category."""
        return node.is_leaf or are_parts(
            [name_of(child.description) for child in self._children(node.id)], name
        )

    def _place_in_child(self, category: Category, node: NodeState) -> None:
        """Place the items of *category* in its child of *node*, which is added if missing."""
        found = self._find_child(category.label, node)
        if found is not None:
            name = name_of(found.description)
            self._enter(category, found, name_after_label(name, category.label) or "")
            return
        rows = _rows_below(category)
        shared = self._shared(node) if self._shares and len(rows) < SMALL_LEAF else None
        self._set_start(
            rows, self._new_leaf(node, category.label, rows) if shared is None else shared
        )

    def _find_child(self, label: str, node: NodeState) -> NodeState | None:
        children = self._children(node.id)
        for child in children:
            if name_after_label(name_of(child.description), label) is not None:
                return child
        for child in children:
            below = [] if child.is_leaf else self._children(child.id)
            if below and is_group(
                name_of(child.description), [name_of(each.description) for each in below]
            ):
                found = self._find_child(label, child)
                if found is not None:
                    return found
        return None

    def _own_leaf(self, category: Category, node: NodeState) -> int:
        """Return the leaf of the items whose category is that of *node* itself."""
        names = WITHOUT if node.id == ROOT and not name_of(node.description) else OWN
        for child in self._children(node.id):
            name = name_of(child.description)
            if name in names and self._has_no_categories(child, name):
                return child.id
        return self._new_leaf(node, names[0], category.rows)

    def _shared(self, node: NodeState) -> int | None:
        """Return the leaf that small categories share, if there is one."""
        for child in self._children(node.id):
            first = name_of(child.description).split(" ", 1)[0]
            if child.is_leaf and first in OTHERS:
                return child.id
        return None

    def _new_leaf(self, node: NodeState, name: str, rows: Rows) -> int:
        children = self._children(node.id)
        taken = {label_key(name_of(child.description)) for child in children}
        number = 2
        distinct = name
        while label_key(distinct) in taken:
            distinct, number = f"{name} ({number})", number + 1
        (leaf,) = self.tree.take_numbers("node", 1)
        place = max((child.place for child in children), default=-1) + 1
        total = sum_vectors([row_vector(self._vectors, int(row)) for row in rows])
        self._put(leaf, node.id, place, node.depth + 1, distinct, total, is_leaf=True)
        return leaf

    def _split_levels(self, node: NodeState, above: str, below: str) -> NodeState:
        """Split a node whose name joins two levels, which no longer have the same items."""
        (number,) = self.tree.take_numbers("node", 1)
        total = self.tree.node_vectors([node.id])[0]
        if node.id == ROOT:
            children = self._children(ROOT)
            self._put(number, ROOT, 0, 1, below, total, is_leaf=False)
            for place, child in enumerate(children):
                self.tree.move_node(child.id, number, place, 1)
            self._rename(node, above)
            self.changed |= {child.id for child in children}
        else:
            first = self._name_before(node, below)
            assert node.parent is not None
            self._put(number, node.parent, node.place, node.depth, first, total, is_leaf=False)
            self.tree.move_node(node.id, number, 0, 1)
            self._rename(node, below)
        self.changed.add(node.id)
        self._children_by_node.clear()
        upper = ROOT if node.id == ROOT else number
        return self.tree.node_states([upper])[upper]

    def _name_before(self, node: NodeState, below: str) -> str:
        return name_of(node.description)[: -len(below)].rstrip(" >")

    def _rename(self, node: NodeState, name: str) -> None:
        if name != name_of(node.description):
            description = replace_name(node.description, name)
            self.tree.set_descriptions([(description, node.stale, node.id)])

    def _put(
        self, number: int, parent: int, place: int, depth: int, name: str, total: Vector,
        *, is_leaf: bool,
    ) -> None:  # fmt: skip
        packed = total.strongest(NODE_TERMS).to_bytes(precise=True)
        description = Description(name=name).to_json()
        self.tree.put_nodes(
            [NodeRow(number, parent, place, depth, 0, is_leaf, description, "{}", 0.0, packed)]
        )
        self._children_by_node.pop(parent, None)
        self.changed |= {number, parent}

    def _children(self, node: int) -> list[NodeState]:
        if node not in self._children_by_node:
            self._children_by_node[node] = self.tree.child_states([node])[node]
        return self._children_by_node[node]

    def _set_start(self, rows: Rows, node: int) -> None:
        for row in rows:
            self._starts[row] = node


def _rows_below(category: Category) -> Rows:
    parts = [_rows_below(child) for child in category.children]
    return np.concatenate([category.rows, *parts])
