"""Follow the paths of items down a tree of paths, and make room for categories it lacks."""

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
    after_label,
    are_parts,
    is_group,
    joined,
    key_of,
    name_of,
    renamed,
)
from unillmrec.tree.path_growing import SMALL_LEAF
from unillmrec.tree.vector_rows import row_vector, summed
from unillmrec.tree.vectors import NODE_TERMS, Floats, Vector
from unillmrec.updating.placement.nearest_leaf import ChangeSet, nearest_leaves

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

OWN = ("General", "No subcategory")
WITHOUT = ("No category", "Without category")
OTHERS = ("Other", "More", "Further")


def categories_of(items: Sequence[Item]) -> Category:
    """Return the categories of *items*, by the places of the items."""
    reader = PathReader()
    for item in items:
        reader.add(item)
    try:
        return reader.finish()[0]
    except TreeError:
        # None of them has a path.
        return Category("", np.arange(len(items)), [], len(items))


def home_leaves(
    tree: EditableTree, items: Sequence[Item], rows: csr_matrix | Floats, touched: ChangeSet
) -> list[int]:
    """Return the leaf for each item: the nearest one, in a tree of paths below its category.

    The rows are the items' vectors.
    """
    starts = None
    if along_paths(tree):
        follower = Follower(tree)
        starts = follower.starts(items, rows)
        touched.nodes |= follower.made
    return nearest_leaves(tree, rows, starts)


def along_paths(tree: EditableTree) -> bool:
    """Return whether a tree was built along the catalog's paths."""
    return bool(tree.facts.get("tree", "clusters") != "clusters")


class Follower:
    """Finds for each item the node of a tree of paths in which its category is.

    A category that the tree lacks gets a leaf; *made* are the nodes that are new or moved.
    """

    def __init__(self, tree: EditableTree) -> None:
        self.tree = tree
        self.made: set[int] = set()
        self._shares = tree.facts["tree"] == "paths+clusters"
        self._families: dict[int, list[NodeState]] = {}
        self._starts: list[int] = []
        self._vectors: csr_matrix | Floats = np.zeros((0, 0), np.float32)

    def starts(self, items: Sequence[Item], vectors: csr_matrix | Floats) -> list[int]:
        """Return for each item where to look for the leaf nearest to it."""
        self._starts = [ROOT] * len(items)
        self._vectors = vectors
        root = self.tree.node_states([ROOT])[ROOT]
        if root.is_leaf:
            # Who comes now may be of another category; when it is split, all are looked at.
            self._rename(root, "")
        else:
            self._enter(categories_of(items), root, name_of(root.description))
        return self._starts

    def _enter(self, category: Category, node: NodeState, name: str) -> None:
        """Go on at a node that stands for *category*, and for what *name* says below it."""
        at = category
        passed = ""
        while name:
            only = at.children[0] if len(at.children) == 1 and not len(at.rows) else None
            rest = after_label(name, only.label) if only else None
            if only is None or rest is None:
                node = self._part_name(node, passed, name)
                break
            passed, name, at = joined(passed, only.label), rest, only
        self._follow(at, node)

    def _follow(self, category: Category, node: NodeState) -> None:
        if self._is_parted(node, name_of(node.description)):
            self._send(_rows_below(category), node.id)
            return
        if len(category.rows):
            self._send(category.rows, self._own_leaf(category, node))
        for child in category.children:
            self._step(child, node)

    def _is_parted(self, node: NodeState, name: str) -> bool:
        """Return whether no categories are below a node, but leaves only."""
        return node.is_leaf or are_parts(
            [name_of(child.description) for child in self._family(node.id)], name
        )

    def _step(self, category: Category, node: NodeState) -> None:
        """Go from a node to the child that stands for *category*; make one if there is none."""
        found = self._found(category.label, node)
        if found is not None:
            name = name_of(found.description)
            self._enter(category, found, after_label(name, category.label) or "")
            return
        rows = _rows_below(category)
        shared = self._shared(node) if self._shares and len(rows) < SMALL_LEAF else None
        self._send(rows, self._new_leaf(node, category.label, rows) if shared is None else shared)

    def _found(self, label: str, node: NodeState) -> NodeState | None:
        family = self._family(node.id)
        for child in family:
            if after_label(name_of(child.description), label) is not None:
                return child
        for child in family:
            below = [] if child.is_leaf else self._family(child.id)
            if below and is_group(
                name_of(child.description), [name_of(each.description) for each in below]
            ):
                found = self._found(label, child)
                if found is not None:
                    return found
        return None

    def _own_leaf(self, category: Category, node: NodeState) -> int:
        """Return the leaf for items that stand on the category of *node* itself."""
        names = WITHOUT if node.id == ROOT and not name_of(node.description) else OWN
        for child in self._family(node.id):
            name = name_of(child.description)
            if name in names and self._is_parted(child, name):
                return child.id
        return self._new_leaf(node, names[0], category.rows)

    def _shared(self, node: NodeState) -> int | None:
        """Return the leaf that small categories share, if there is one."""
        for child in self._family(node.id):
            first = name_of(child.description).split(" ", 1)[0]
            if child.is_leaf and first in OTHERS:
                return child.id
        return None

    def _new_leaf(self, node: NodeState, name: str, rows: Rows) -> int:
        family = self._family(node.id)
        taken = {key_of(name_of(child.description)) for child in family}
        number = 2
        distinct = name
        while key_of(distinct) in taken:
            distinct, number = f"{name} ({number})", number + 1
        (leaf,) = self.tree.take_numbers("node", 1)
        place = max((child.place for child in family), default=-1) + 1
        total = summed([row_vector(self._vectors, int(row)) for row in rows])
        self._put(leaf, node.id, place, node.depth + 1, distinct, total, is_leaf=True)
        return leaf

    def _part_name(self, node: NodeState, above: str, below: str) -> NodeState:
        """Make two nodes of one that stands for several levels, for they are no longer one."""
        (number,) = self.tree.take_numbers("node", 1)
        total = self.tree.node_vectors([node.id])[0]
        if node.id == ROOT:
            family = self._family(ROOT)
            self._put(number, ROOT, 0, 1, below, total, is_leaf=False)
            for place, child in enumerate(family):
                self.tree.move_node(child.id, number, place, 1)
            self._rename(node, above)
            self.made |= {child.id for child in family}
        else:
            first = self._name_before(node, below)
            assert node.parent is not None
            self._put(number, node.parent, node.place, node.depth, first, total, is_leaf=False)
            self.tree.move_node(node.id, number, 0, 1)
            self._rename(node, below)
        self.made.add(node.id)
        self._families.clear()
        kept = ROOT if node.id == ROOT else number
        return self.tree.node_states([kept])[kept]

    def _name_before(self, node: NodeState, below: str) -> str:
        return name_of(node.description)[: -len(below)].rstrip(" >")

    def _rename(self, node: NodeState, name: str) -> None:
        if name != name_of(node.description):
            description = renamed(node.description, name)
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
        self._families.pop(parent, None)
        self.made |= {number, parent}

    def _family(self, node: int) -> list[NodeState]:
        if node not in self._families:
            self._families[node] = self.tree.child_states([node])[node]
        return self._families[node]

    def _send(self, rows: Rows, node: int) -> None:
        for row in rows:
            self._starts[row] = node


def _rows_below(category: Category) -> Rows:
    parts = [_rows_below(child) for child in category.children]
    return np.concatenate([category.rows, *parts])
