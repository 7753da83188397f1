"""Make room in a tree that is in use: leaves split, branches parted, subtrees grown anew."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from unillmrec.store import ROOT, EditableTree, NodeRow
from unillmrec.tree.clustering import one_thread
from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import Bounds, Growth
from unillmrec.tree.node_names import group_name, is_part, name_of
from unillmrec.tree.vector_rows import summed
from unillmrec.tree.vectors import NODE_TERMS, Floats
from unillmrec.updating.placement.nearest_leaf import ChangeSet
from unillmrec.updating.placement.path_placement import along_paths
from unillmrec.updating.upkeep.branch_joiner import Joiner, like_groups
from unillmrec.updating.upkeep.subtree_rebuild import Grown

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# So few children do not make a branch of their own.
SMALL_FAMILY = 3


class Splitter:
    """Makes room where a tree has outgrown its bounds, inside a transaction."""

    def __init__(self, tree: EditableTree, touched: ChangeSet) -> None:
        self.tree = tree
        self.touched = touched
        self.bounds = Bounds(**tree.facts["bounds"])
        self._named = along_paths(tree)
        self._threads = ExitStack()
        self._limited = False

    def close(self) -> None:
        """Let the numeric libraries use their threads again."""
        self._threads.close()

    def _limit_threads(self) -> None:
        # It takes milliseconds, which most changes need not spend, and none needs to twice.
        if not self._limited:
            self._threads.enter_context(one_thread())
            self._limited = True

    def split(self, leaves: Sequence[int]) -> None:
        """Part over-full leaves by content."""
        if not leaves:
            return
        numbers = self.tree.numbers_by_leaf(leaves)
        rows = self.tree.item_matrix([number for held in numbers.values() for number in held])
        first = 0
        for leaf, held in numbers.items():
            self._split_one(leaf, held, rows[first : first + len(held)])
            first += len(held)
            self.touched.splits += 1

    def _split_one(self, leaf: int, numbers: list[int], rows: csr_matrix | Floats) -> None:
        """Put the parts of a leaf in its place, or below it where there is no room beside it."""
        state = self.tree.node_states([leaf])[leaf]
        if state.parent is None:
            self.grow_anew(leaf)
            return
        grown = Grown(self.tree, state, {leaf: numbers}, rows)
        root = self._grow(grown)
        siblings = [node for node, _ in self.tree.child_ids([state.parent])[state.parent]]
        together = len(siblings) - 1 + len(root.children)
        if self._named or together > self.most_children(state.parent):
            self._replant(grown, root, [leaf])
            return
        self.tree.remove_nodes([leaf])
        self.touched.forget([leaf])
        parts = self._identified(grown, root.children)
        self._put(grown, [(*part, state.parent, 0, state.depth) for part in parts])
        at = siblings.index(leaf)
        self.tree.reorder_children(
            [*siblings[:at], *(number for _, number in parts), *siblings[at + 1 :]]
        )

    def grow_anew(self, node: int) -> None:
        """Grow the subtree of *node* from its items, keeping the ids of what stays the same."""
        state = self.tree.node_states([node])[node]
        below = self.tree.subtree(node)
        leaves = [each for each, is_leaf in below if is_leaf]
        grown = Grown(self.tree, state, self.tree.numbers_by_leaf(leaves))
        if grown.gained is not None and state.parent is not None:
            self.touched.moves.note_weighed(self.tree, state.parent, grown.gained)
        self._replant(grown, self._grow(grown), [each for each, _ in below])

    def _grow(self, grown: Grown) -> Growth:
        self.tree.facts["generation"] += 1
        self._limit_threads()
        return grown.grow(self.bounds)

    def _replant(self, grown: Grown, root: Growth, below: Sequence[int]) -> None:
        """Put what was grown in the place of what was there, *below* included."""
        state = grown.state
        top = grown.top_for(root)
        self.tree.remove_nodes(below)
        self.touched.forget(below)
        self._put(grown, [(root, top, state.parent, state.place, state.depth)])
        # A category stays one; only what is part of another may join its siblings.
        if not self._named or (
            state.parent is not None and is_part(root.label, self._name_of(state.parent))
        ):
            self._lift(top)

    def _name_of(self, node: int) -> str:
        return name_of(self.tree.node_states([node])[node].description)

    def _put(self, grown: Grown, waiting: list[tuple[Growth, int, int | None, int, int]]) -> None:
        """Write what was grown: each part under its id, below a parent, in its place and depth."""
        rows: list[NodeRow] = []
        while waiting:
            growth, number, parent, place, depth = waiting.pop()
            if growth.rows is not None:
                held = grown.numbers[growth.rows].tolist()
                self.tree.move_items((number, each) for each in held)
            rows.append(
                NodeRow(
                    *(number, parent, place, depth, 0, growth.rows is not None),
                    *(grown.description_of(number, growth), "{}", 0.0),
                    packed=grown.sum_of(growth).to_bytes(precise=True),
                    stale=grown.stale.get(number, 0),
                )
            )
            self.touched.nodes.add(number)
            waiting += [
                (*part, number, at, depth + 1)
                for at, part in enumerate(self._identified(grown, growth.children))
            ]
        self.tree.put_nodes(rows)

    def _identified(self, grown: Grown, parts: Sequence[Growth]) -> list[tuple[Growth, int]]:
        """Return parts with their ids: that of the leaf that goes on in it, or a new one."""
        ids = [grown.id_for(part) for part in parts]
        fresh = iter(self.tree.take_numbers("node", ids.count(None)))
        return [
            (part, next(fresh) if given is None else given)
            for part, given in zip(parts, ids, strict=True)
        ]

    def _lift(self, node: int) -> None:
        """Put the children of a grown branch in its place.

        Where its parent has no room, a large family stays where it is; a small one, which
        would make a branch of two or three, moves up all the same and the parent is parted.
        """
        state = self.tree.node_states([node])[node]
        children = self.tree.child_states([node])[node]
        if not children or state.parent is None:
            return
        siblings = self.tree.child_states([state.parent])[state.parent]
        most = self.most_children(state.parent)
        together = len(siblings) - 1 + len(children)
        if together > most and len(children) > SMALL_FAMILY:
            return
        order: list[int] = []
        for each in siblings:
            order += [child.id for child in children] if each.id == node else [each.id]
        for child in children:
            self.tree.move_node(child.id, state.parent, 0, -1)
        self.tree.remove_nodes([node])
        self.touched.forget([node])
        self.touched.nodes |= {state.parent, *(child.id for child in children)}
        self.tree.reorder_children(order)
        if together > most:
            self.part(state.parent)

    def most_children(self, node: int) -> int:
        """Return how many children a node may have."""
        return self.bounds.root_children if node == ROOT else self.bounds.most_children

    def part(self, node: int) -> None:
        """Part the children of an over-full branch into groups of like ones, each a branch.

        The root, from which every walk starts, would be left with few children, and the tree
        deeper by a level: where names allow it, some of its children are joined instead.
        """
        if node == ROOT and not self._named:
            room = Joiner(self.tree, self.touched, self.bounds).make_room
            if room(node, self.most_children(node)):
                return
        children = self.tree.child_states([node])[node]
        state = self.tree.node_states([node])[node]
        groups = 2 if node != ROOT else max(2, round(math.sqrt(len(children))))
        self._limit_threads()
        parts = like_groups(self.tree, children, groups, node)
        numbers = self.tree.take_numbers("node", len(parts))
        rows = []
        for place, (number, part) in enumerate(zip(numbers, parts, strict=True)):
            total = summed(self.tree.node_vectors([child.id for child in part]))
            name = group_name([(name_of(child.description), child.size) for child in part])
            description = Description(name=name).to_json()
            rows.append(
                NodeRow(
                    *(number, node, place, state.depth + 1, 0, False, description, "{}", 0.0),
                    packed=total.strongest(NODE_TERMS).to_bytes(precise=True),
                )
            )
        self.tree.put_nodes(rows)
        for number, part in zip(numbers, parts, strict=True):
            for place, child in enumerate(part):
                self.tree.move_node(child.id, number, place, 1)
            self.touched.nodes |= {number, *(child.id for child in part)}
        self.touched.splits += 1
        if not self._named or (
            state.parent is not None
            and is_part(name_of(state.description), self._name_of(state.parent))
        ):
            self._lift(node)
