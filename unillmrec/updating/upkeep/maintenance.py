"""Keep a changing tree within its bounds: split overfull nodes, merge underfull ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from unillmrec.store import ROOT, EditableTree, NodeRow, NodeState
from unillmrec.tree.growing import Bounds
from unillmrec.tree.node_names import (
    are_parts,
    is_group,
    is_part,
    join_names,
    name_of,
    replace_name,
)
from unillmrec.updating.placement.nearest_leaf import ChangeSet
from unillmrec.updating.placement.path_placement import choose_leaves, is_path_tree
from unillmrec.updating.placement.pending_deltas import paths_to_root
from unillmrec.updating.upkeep.splitter import Splitter
from unillmrec.updating.upkeep.subtree_rebuild import UNDESCRIBED

# A leaf with fewer items is merged, one above its capacity is split. The wide range between them
# keeps a burst of inserts and deletes from splitting and merging again and again.
MIN_LEAF_ITEMS = 5
# A subtree is rebuilt when this share of its items changed: without it, recall falls to 0.81-0.87
# of a fresh tree's when topics shift; at a quarter to a half it stays level.
REBUILD_AT = 0.35
# A larger subtree would not fit into the memory that a change may take.
MAX_REBUILD_ITEMS = 200_000


class TreeMaintenance:
    """Restores the bounds of one tree, inside a transaction. Use it as a context manager."""

    def __init__(self, tree: EditableTree, changes: ChangeSet) -> None:
        self.tree = tree
        self.changes = changes
        self.bounds = Bounds(**tree.facts["bounds"])
        self._named = is_path_tree(tree)
        self._splitter = Splitter(tree, changes)

    def __enter__(self) -> TreeMaintenance:
        return self

    def __exit__(self, *_: object) -> None:
        self._splitter.close()

    def restore(self) -> None:
        """Bring every affected leaf, and the branches above it, back within the bounds."""
        states = self.tree.states_with_ancestors(self.changes.nodes | self.changes.leaves)
        sizes = self._affected_sizes(states)
        if self._dissolve_small_leaves(sizes) or self._named:
            self._repair_branches()
            states = self.tree.states_with_ancestors(self.changes.nodes | self.changes.leaves)
            sizes = self._affected_sizes(states)
        if self._rebuild_due_subtrees(states):
            sizes = self._affected_sizes(
                self.tree.node_states(sorted(self.changes.leaves | self.changes.nodes))
            )
        self._splitter.split_leaves(
            [leaf for leaf, size in sizes.items() if size > self.bounds.leaf_capacity]
        )

    def _affected_sizes(self, states: Mapping[int, NodeState]) -> dict[int, int]:
        """Return the sizes of the affected leaves, by their ids."""
        affected = self.changes.nodes | self.changes.leaves
        leaves = [node for node, state in states.items() if state.is_leaf and node in affected]
        return self.tree.leaf_sizes(sorted(leaves))

    def merge_small_branches(self, sizes: Mapping[int, int]) -> bool:
        """Turn branches that hold no more items than a leaf should into leaves."""
        small = [node for node, size in sizes.items() if size <= self.bounds.leaf_target]
        done = False
        for node in small:
            # A branch below another small one no longer exists by now.
            if node in self.tree.node_states([node]) and self._may_merge(node):
                self._splitter.rebuild(node)
                self.changes.merges += 1
                done = True
        return done

    def _may_merge(self, node: int) -> bool:
        # In a pure tree of paths every category keeps its own node.
        return (
            not self._named or self.tree.facts["tree"] != "paths" or self._has_no_categories(node)
        )

    def _has_no_categories(self, node: int) -> bool:
        """Return whether the children of a node are clusters rather than categories."""
        if not self._named:
            return True
        name = name_of(self.tree.node_states([node])[node].description)
        children = self.tree.child_states([node])[node]
        return are_parts([name_of(child.description) for child in children], name)

    def _repair_branches(self) -> None:
        """Split branches that got too many children, and remove those with fewer than two."""
        if not self._named:
            return
        for node in sorted(self.changes.nodes):
            state = self.tree.node_states([node]).get(node)
            if state is None or state.is_leaf:
                continue
            children = len(self.tree.child_states([node])[node])
            if children > self._splitter.most_children(node):
                self._splitter.split_branch(node)
            elif children < 2:
                self._collapse(node)

    # Underfull nodes

    def _dissolve_small_leaves(self, sizes: Mapping[int, int]) -> bool:
        """Move the items of nearly empty leaves to the nearest leaves; return whether any moved."""
        before = self.changes.merges
        displaced: dict[int, tuple[int, ...]] = {}
        for leaf in sorted(sizes, key=lambda each: (sizes[each], each)):
            # Removing a leaf may have removed others, or turned them into the root.
            if sizes[leaf] < MIN_LEAF_ITEMS and leaf != ROOT and self.tree.node_states([leaf]):
                if sizes[leaf] and not self._may_dissolve(leaf):
                    continue
                displaced |= self._empty_leaf(leaf)
                self._remove(leaf)
                self.changes.merges += 1
        if displaced:
            self._relocate(displaced)
        return self.changes.merges > before

    def _relocate(self, displaced: Mapping[int, tuple[int, ...]]) -> None:
        """Put *displaced* items, each with the path from its old leaf, into the nearest leaves."""
        numbers = list(displaced)
        placed = self.tree.items_by_number(numbers)
        items = [placed[number].item for number in numbers]
        rows = self.tree.item_matrix(numbers)
        leaves = choose_leaves(self.tree, items, rows, self.changes)
        self.tree.move_items(zip(leaves, numbers, strict=True))
        priors = [placed[number].prior for number in numbers]
        paths = paths_to_root(self.tree, set(leaves))
        # Nodes above both the old leaf and the new one keep the item.
        differing = (
            set(displaced[number]) ^ set(paths[leaf])
            for number, leaf in zip(numbers, leaves, strict=True)
        )
        self.changes.count_moved(self.tree, Counter(node for nodes in differing for node in nodes))
        self.changes.deltas.add(self.tree, leaves, rows, priors, 1)
        self.changes.leaves |= set(leaves)

    def _empty_leaf(self, leaf: int) -> dict[int, tuple[int, ...]]:
        """Record that the items of a leaf leave it; return each with the path to the root."""
        placed = self.tree.items_in([leaf])
        numbers = [each.number for each in placed]
        if numbers:
            priors = [each.prior for each in placed]
            rows = self.tree.item_matrix(numbers)
            self.changes.deltas.add(self.tree, [leaf] * len(numbers), rows, priors, -1)
            self.changes.deltas.outdated |= set(numbers)
        return dict.fromkeys(numbers, paths_to_root(self.tree, {leaf})[leaf])

    def _may_dissolve(self, leaf: int) -> bool:
        """Return whether a leaf may be dissolved: a category stays as long as it has an item."""
        if not self._named:
            return True
        state = self.tree.node_states([leaf])[leaf]
        assert state.parent is not None
        above = self.tree.node_states([state.parent])[state.parent]
        return is_part(name_of(state.description), name_of(above.description))

    def _remove(self, node: int) -> None:
        """Remove a node, and its parent if that is left with fewer than two children."""
        parent = self.tree.node_states([node])[node].parent
        self.tree.remove_nodes([node])
        self.changes.discard_nodes([node])
        assert parent is not None
        self._collapse(parent)

    def _collapse(self, node: int) -> None:
        """Remove a branch that has fewer than two children; a single child takes its place."""
        children = self.tree.child_states([node])[node]
        self.changes.nodes.add(node)
        if len(children) > 1:
            return
        if not children:
            if node != ROOT:
                self._remove(node)
            return
        self._replace_with_child(node, children)

    def _replace_with_child(self, node: int, children: Sequence[NodeState]) -> None:
        """Put the only child of *node* in its place; the root takes over the child's children."""
        only = children[0]
        if node == ROOT:
            self._merge_into_root(only)
            return
        state = self.tree.node_states([node])[node]
        assert state.parent is not None
        self.tree.move_node(only.id, state.parent, state.place, -1)
        self._name_after(only, name_of(state.description))
        self.tree.remove_nodes([node])
        self.changes.discard_nodes([node])
        self.changes.nodes |= {only.id, state.parent}

    def _name_after(self, only: NodeState, above: str) -> None:
        """Give a node the joined name of itself and of the parent that it replaces."""
        name = name_of(only.description)
        if not above or is_group(above, [name]):
            return
        together = above if is_part(name, above) else join_names(above, name)
        self._rename(only, together)

    def _rename(self, state: NodeState, name: str) -> None:
        if name != name_of(state.description):
            self.tree.set_descriptions(
                [(replace_name(state.description, name), state.stale, state.id)]
            )

    def _merge_into_root(self, only: NodeState) -> None:
        """Make the root what its only child was."""
        if only.is_leaf:
            numbers = self.tree.numbers_by_leaf([only.id])[only.id]
            self.tree.move_items((ROOT, number) for number in numbers)
            leaf = NodeRow(ROOT, None, 0, 0, 0, True, UNDESCRIBED, "{}", 0.0, b"")
            self.tree.put_nodes([leaf])
        else:
            for place, child in enumerate(self.tree.child_states([only.id])[only.id]):
                self.tree.move_node(child.id, ROOT, place, -1)
            if self._named:
                self._name_root_after(name_of(only.description), only.id)
        self.tree.remove_nodes([only.id])
        self.changes.discard_nodes([only.id])
        self.changes.nodes.add(ROOT)
        if len(self.tree.child_states([ROOT])[ROOT]) > self._splitter.most_children(ROOT):
            self._splitter.split_branch(ROOT)

    def _name_root_after(self, name: str, node: int) -> None:
        """Name the root after the only category, with which all paths begin."""
        children = [name_of(each.description) for each in self.tree.child_states([ROOT])[ROOT]]
        if not is_group(name, children):
            root = self.tree.node_states([ROOT])[ROOT]
            self._rename(root, join_names(name_of(root.description), name))

    # Subtrees that changed

    def _rebuild_due_subtrees(self, states: Mapping[int, NodeState]) -> bool:
        """Rebuild the largest subtrees that changed enough; return whether there are any.

        The change that makes a large subtree due takes long, but spread over all changes before
        it the rebuild costs little.
        """
        counts = self.changes.deltas.counts
        due = set()
        for state in states.values():
            size = state.size + counts[state.id]
            if not state.is_leaf and size <= MAX_REBUILD_ITEMS and state.moved >= REBUILD_AT * size:
                due.add(state.id)
        due = {node for node in due if self._has_no_categories(node)}
        for node in sorted(due, key=lambda each: states[each].depth):
            # Making room for an earlier rebuild may have joined this node to a sibling.
            if not due & set(ancestors_of(states, node)) and self.tree.node_states([node]):
                self._splitter.rebuild(node)
                self.changes.regrown += 1
        return bool(due)


def ancestors_of(states: Mapping[int, NodeState], node: int) -> list[int]:
    """Return the nodes above *node*, nearest first."""
    found = []
    at = states[node].parent
    while at is not None:
        found.append(at)
        at = states[at].parent
    return found
