"""Split overfull leaves and branches, and rebuild subtrees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias

from unillmrec.store import ROOT, EditableTree, NodeRow
from unillmrec.tree.clustering import one_thread
from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import Bounds, Growth
from unillmrec.tree.node_names import group_name, is_part, name_of
from unillmrec.tree.vectors import NODE_TERMS, Floats, sum_vectors
from unillmrec.updating.placement.nearest_leaf import ChangeSet
from unillmrec.updating.placement.path_placement import is_path_tree
from unillmrec.updating.upkeep.branch_joiner import BranchJoiner, group_similar
from unillmrec.updating.upkeep.subtree_rebuild import SubtreeRebuild

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# So few children are not worth a branch of their own.
FEW_CHILDREN = 3

_PlacedGrowth: TypeAlias = tuple[Growth, int, int | None, int, int]


class Splitter:
    """Splits what has outgrown the bounds of a tree, inside a transaction."""

    def __init__(self, tree: EditableTree, changes: ChangeSet) -> None:
        self.tree = tree
        self.changes = changes
        self.bounds = Bounds(**tree.facts["bounds"])
        self._named = is_path_tree(tree)
        self._threads = ExitStack()
        self._limited = False

    def close(self) -> None:
        """Let numeric libraries use several threads again."""
        self._threads.close()

    def _limit_threads(self) -> None:
        # This takes milliseconds, so it is done only where needed, and once.
        if not self._limited:
            self._threads.enter_context(one_thread())
            self._limited = True

    def split_leaves(self, leaves: Sequence[int]) -> None:
        """Split overfull leaves by content."""
        if not leaves:
            return
        numbers = self.tree.numbers_by_leaf(leaves)
        rows = self.tree.item_matrix([number for held in numbers.values() for number in held])
        first = 0
        for leaf, held in numbers.items():
            self._split_leaf(leaf, held, rows[first : first + len(held)])
            first += len(held)
            self.changes.splits += 1

    def _split_leaf(self, leaf: int, numbers: list[int], rows: csr_matrix | Floats) -> None:
        """Replace a leaf with its parts, or put them below it where its parent has no room."""
        state = self.tree.node_states([leaf])[leaf]
        if state.parent is None:
            self.rebuild(leaf)
            return
        rebuilt = SubtreeRebuild(self.tree, state, {leaf: numbers}, rows)
        root = self._cluster(rebuilt)
        siblings = [node for node, _ in self.tree.child_ids([state.parent])[state.parent]]
        together = len(siblings) - 1 + len(root.children)
        if self._named or together > self.most_children(state.parent):
            self._replace_subtree(rebuilt, root, [leaf])
            return
        self.tree.remove_nodes([leaf])
        self.changes.discard_nodes([leaf])
        parts = self._with_ids(rebuilt, root.children)
        self._write(rebuilt, [(*part, state.parent, 0, state.depth) for part in parts])
        at = siblings.index(leaf)
        self.tree.reorder_children(
            [*siblings[:at], *(number for _, number in parts), *siblings[at + 1 :]]
        )

    def rebuild(self, node: int) -> None:
        """Cluster the items below *node* again; leaves that stay nearly the same keep their ids."""
        state = self.tree.node_states([node])[node]
        below = self.tree.subtree(node)
        leaves = [each for each, is_leaf in below if is_leaf]
        rebuilt = SubtreeRebuild(self.tree, state, self.tree.numbers_by_leaf(leaves))
        if rebuilt.weight_gain is not None and state.parent is not None:
            self.changes.deltas.add_reweighted(self.tree, state.parent, rebuilt.weight_gain)
        self._replace_subtree(rebuilt, self._cluster(rebuilt), [each for each, _ in below])

    def _cluster(self, rebuilt: SubtreeRebuild) -> Growth:
        self.tree.facts["generation"] += 1
        self._limit_threads()
        return rebuilt.grow(self.bounds)

    def _replace_subtree(self, rebuilt: SubtreeRebuild, root: Growth, below: Sequence[int]) -> None:
        """Replace the old subtree, with the nodes *below* its top, by the rebuilt one."""
        state = rebuilt.state
        top = rebuilt.top_for(root)
        self.tree.remove_nodes(below)
        self.changes.discard_nodes(below)
        self._write(rebuilt, [(root, top, state.parent, state.place, state.depth)])
        # A category keeps its branch; only parts of a category may move up to its siblings.
        if not self._named or (
            state.parent is not None and is_part(root.label, self._name_of(state.parent))
        ):
            self._raise_children(top)

    def _name_of(self, node: int) -> str:
        return name_of(self.tree.node_states([node])[node].description)

    def _write(self, rebuilt: SubtreeRebuild, waiting: list[_PlacedGrowth]) -> None:
        """Write rebuilt nodes: tuples of the growth, its id, parent, place and depth."""
        rows: list[NodeRow] = []
        while waiting:
            growth, number, parent, place, depth = waiting.pop()
            if growth.rows is not None:
                held = rebuilt.numbers[growth.rows].tolist()
                self.tree.move_items((number, each) for each in held)
            rows.append(
                NodeRow(
                    *(number, parent, place, depth, 0, growth.rows is not None),
                    *(rebuilt.description_of(number, growth), "{}", 0.0),
                    packed=rebuilt.sum_of(growth).to_bytes(precise=True),
                    stale=rebuilt.stale.get(number, 0),
                )
            )
            self.changes.nodes.add(number)
            waiting += [
                (*part, number, at, depth + 1)
                for at, part in enumerate(self._with_ids(rebuilt, growth.children))
            ]
        self.tree.put_nodes(rows)

    def _with_ids(
        self, rebuilt: SubtreeRebuild, parts: Sequence[Growth]
    ) -> list[tuple[Growth, int]]:
        """Return parts with their ids: that of the old leaf with the same items, or a new one."""
        ids = [rebuilt.id_for(part) for part in parts]
        fresh = iter(self.tree.take_numbers("node", ids.count(None)))
        return [
            (part, next(fresh) if given is None else given)
            for part, given in zip(parts, ids, strict=True)
        ]

    def _raise_children(self, node: int) -> None:
        """Replace a rebuilt branch with its children.

        Where its parent has no room, many children stay where they are; two or three move up
        nevertheless, and the parent is split.
        """
        state = self.tree.node_states([node])[node]
        children = self.tree.child_states([node])[node]
        if not children or state.parent is None:
            return
        siblings = self.tree.child_states([state.parent])[state.parent]
        most = self.most_children(state.parent)
        together = len(siblings) - 1 + len(children)
        if together > most and len(children) > FEW_CHILDREN:
            return
        order: list[int] = []
        for each in siblings:
            order += [child.id for child in children] if each.id == node else [each.id]
        for child in children:
            self.tree.move_node(child.id, state.parent, 0, -1)
        self.tree.remove_nodes([node])
        self.changes.discard_nodes([node])
        self.changes.nodes |= {state.parent, *(child.id for child in children)}
        self.tree.reorder_children(order)
        if together > most:
            self.split_branch(state.parent)

    def most_children(self, node: int) -> int:
        """Return how many children a node may have."""
        return self.bounds.root_children if node == ROOT else self.bounds.most_children

    def split_branch(self, node: int) -> None:
        """Group the children of an overfull branch into new branches of similar ones.

        This would leave the root with few children and make the whole tree deeper: where names
        allow it, some children of the root are joined instead.
        """
        if node == ROOT and not self._named:
            joiner = BranchJoiner(self.tree, self.changes, self.bounds)
            if joiner.make_room(node, self.most_children(node)):
                return
        children = self.tree.child_states([node])[node]
        state = self.tree.node_states([node])[node]
        groups = 2 if node != ROOT else max(2, round(math.sqrt(len(children))))
        self._limit_threads()
        parts = group_similar(self.tree, children, groups, node)
        numbers = self.tree.take_numbers("node", len(parts))
        rows = []
        for place, (number, part) in enumerate(zip(numbers, parts, strict=True)):
            total = sum_vectors(self.tree.node_vectors([child.id for child in part]))
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
            self.changes.nodes |= {number, *(child.id for child in part)}
        self.changes.splits += 1
        if not self._named or (
            state.parent is not None
            and is_part(name_of(state.description), self._name_of(state.parent))
        ):
            self._raise_children(node)
