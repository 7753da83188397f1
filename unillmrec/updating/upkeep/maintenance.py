"""Keep a changing tree in shape: split what is over-full, merge what is under-full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from unillmrec.store import ROOT, EditableTree, NodeRow, NodeState
from unillmrec.tree.growing import Bounds
from unillmrec.tree.node_names import are_parts, is_group, is_part, joined, name_of, renamed
from unillmrec.updating.placement.nearest_leaf import ChangeSet
from unillmrec.updating.placement.path_placement import along_paths, home_leaves
from unillmrec.updating.placement.pending_deltas import ways_up
from unillmrec.updating.upkeep.splitter import Splitter
from unillmrec.updating.upkeep.subtree_rebuild import UNDESCRIBED

# A leaf is merged below this and split above its capacity; what is between is left alone, so
# that a burst of inserts and deletes does not thrash.
LEAST_IN_LEAF = 5
# A subtree whose items changed by this share is grown anew: without it, recall falls to 0.81-0.87
# of a fresh tree's when topics shift; at a quarter to a half it stays level.
REGROW_AT = 0.35
# A larger one would not fit into the memory that a change may take.
MOST_GROWN = 200_000


class Upkeep:
    """Restores the bounds of one tree, inside a transaction. Used as a context."""

    def __init__(self, tree: EditableTree, touched: ChangeSet) -> None:
        self.tree = tree
        self.touched = touched
        self.bounds = Bounds(**tree.facts["bounds"])
        self._named = along_paths(tree)
        self._planter = Splitter(tree, touched)

    def __enter__(self) -> Upkeep:
        return self

    def __exit__(self, *_: object) -> None:
        self._planter.close()

    def restore(self) -> None:
        """Bring every touched leaf, and what hangs above it, back within the bounds."""
        states = self.tree.states_with_ancestors(self.touched.nodes | self.touched.leaves)
        sizes = self._touched_sizes(states)
        if self._dissolve_small_leaves(sizes) or self._named:
            self._straighten_new_branches()
            states = self.tree.states_with_ancestors(self.touched.nodes | self.touched.leaves)
            sizes = self._touched_sizes(states)
        if self._grow_due_subtrees(states):
            sizes = self._touched_sizes(
                self.tree.node_states(sorted(self.touched.leaves | self.touched.nodes))
            )
        self._planter.split(
            [leaf for leaf, size in sizes.items() if size > self.bounds.leaf_capacity]
        )

    def _touched_sizes(self, states: Mapping[int, NodeState]) -> dict[int, int]:
        """Return the sizes of the touched leaves, by their ids."""
        touched = self.touched.nodes | self.touched.leaves
        leaves = [node for node, state in states.items() if state.is_leaf and node in touched]
        return self.tree.leaf_sizes(sorted(leaves))

    def merge_small_branches(self, sizes: Mapping[int, int]) -> bool:
        """Make leaves of branches that have come to hold no more than one leaf should."""
        small = [node for node, size in sizes.items() if size <= self.bounds.leaf_target]
        done = False
        for node in small:
            # One that hangs below another small one is gone by now.
            if node in self.tree.node_states([node]) and self._may_merge(node):
                self._planter.grow_anew(node)
                self.touched.merges += 1
                done = True
        return done

    def _may_merge(self, node: int) -> bool:
        # A leaf of several categories is what clusters are for; else each has its own.
        return not self._named or self.tree.facts["tree"] != "paths" or self._is_parted(node)

    def _is_parted(self, node: int) -> bool:
        """Return whether the children of a node come from its content, not from the catalog."""
        if not self._named:
            return True
        name = name_of(self.tree.node_states([node])[node].description)
        children = self.tree.child_states([node])[node]
        return are_parts([name_of(child.description) for child in children], name)

    def _straighten_new_branches(self) -> None:
        """Part branches that new categories have made too wide; collapse those of one child."""
        if not self._named:
            return
        for node in sorted(self.touched.nodes):
            state = self.tree.node_states([node]).get(node)
            if state is None or state.is_leaf:
                continue
            children = len(self.tree.child_states([node])[node])
            if children > self._planter.most_children(node):
                self._planter.part(node)
            elif children < 2:
                self._tidy(node)

    # Under-full

    def _dissolve_small_leaves(self, sizes: Mapping[int, int]) -> bool:
        """Give the items of nearly empty leaves to the leaves nearest; return if there are any."""
        before = self.touched.merges
        homeless: dict[int, tuple[int, ...]] = {}
        for leaf in sorted(sizes, key=lambda each: (sizes[each], each)):
            # Taking one out may have made its neighbour the root.
            if sizes[leaf] < LEAST_IN_LEAF and leaf != ROOT and self.tree.node_states([leaf]):
                if sizes[leaf] and not self._is_part(leaf):
                    continue
                homeless |= self._emptied(leaf)
                self._take_out(leaf)
                self.touched.merges += 1
        if homeless:
            self._house(homeless)
        return self.touched.merges > before

    def _house(self, homeless: Mapping[int, tuple[int, ...]]) -> None:
        """Give items without a leaf, and the ways that led to them, to the leaves nearest."""
        numbers = list(homeless)
        placed = self.tree.items_by_number(numbers)
        items = [placed[number].item for number in numbers]
        rows = self.tree.item_matrix(numbers)
        leaves = home_leaves(self.tree, items, rows, self.touched)
        self.tree.move_items(zip(leaves, numbers, strict=True))
        priors = [placed[number].prior for number in numbers]
        ways = ways_up(self.tree, set(leaves))
        # What is above both the old leaf and the new one holds what it held.
        parted = (
            set(homeless[number]) ^ set(ways[leaf])
            for number, leaf in zip(numbers, leaves, strict=True)
        )
        self.touched.note_moved(self.tree, Counter(node for way in parted for node in way))
        self.touched.moves.note(self.tree, leaves, rows, priors, 1)
        self.touched.leaves |= set(leaves)

    def _emptied(self, leaf: int) -> dict[int, tuple[int, ...]]:
        """Return the items of a leaf with the way up from it, and note that they leave it."""
        placed = self.tree.items_in([leaf])
        numbers = [each.number for each in placed]
        if numbers:
            priors = [each.prior for each in placed]
            rows = self.tree.item_matrix(numbers)
            self.touched.moves.note(self.tree, [leaf] * len(numbers), rows, priors, -1)
            self.touched.moves.elsewhere |= set(numbers)
        return dict.fromkeys(numbers, ways_up(self.tree, {leaf})[leaf])

    def _is_part(self, leaf: int) -> bool:
        """Return whether a leaf may go: a category stays as long as it has an item."""
        if not self._named:
            return True
        state = self.tree.node_states([leaf])[leaf]
        assert state.parent is not None
        above = self.tree.node_states([state.parent])[state.parent]
        return is_part(name_of(state.description), name_of(above.description))

    def _take_out(self, node: int) -> None:
        """Remove a node; a parent it leaves with one child, or none, goes too."""
        parent = self.tree.node_states([node])[node].parent
        self.tree.remove_nodes([node])
        self.touched.forget([node])
        assert parent is not None
        self._tidy(parent)

    def _tidy(self, node: int) -> None:
        """Collapse a branch with a single child, or without one."""
        children = self.tree.child_states([node])[node]
        self.touched.nodes.add(node)
        if len(children) > 1:
            return
        if not children:
            if node != ROOT:
                self._take_out(node)
            return
        self._replace(node, children)

    def _replace(self, node: int, children: Sequence[NodeState]) -> None:
        """Put the children of *node* in its place; the root takes over its only child's own."""
        only = children[0]
        if node == ROOT:
            self._take_over(only)
            return
        state = self.tree.node_states([node])[node]
        assert state.parent is not None
        self.tree.move_node(only.id, state.parent, state.place, -1)
        self._name_after(only, name_of(state.description))
        self.tree.remove_nodes([node])
        self.touched.forget([node])
        self.touched.nodes |= {only.id, state.parent}

    def _name_after(self, only: NodeState, above: str) -> None:
        """Let a node be called what it and the parent that it replaces were called together."""
        name = name_of(only.description)
        if not above or is_group(above, [name]):
            return
        together = above if is_part(name, above) else joined(above, name)
        self._rename(only, together)

    def _rename(self, state: NodeState, name: str) -> None:
        if name != name_of(state.description):
            self.tree.set_descriptions([(renamed(state.description, name), state.stale, state.id)])

    def _take_over(self, only: NodeState) -> None:
        """Let the root be what its only child was."""
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
        self.touched.forget([only.id])
        self.touched.nodes.add(ROOT)
        if len(self.tree.child_states([ROOT])[ROOT]) > self._planter.most_children(ROOT):
            self._planter.part(ROOT)

    def _name_root_after(self, name: str, node: int) -> None:
        """Let the root be called after the only category there is, for all paths begin with it."""
        children = [name_of(each.description) for each in self.tree.child_states([ROOT])[ROOT]]
        if not is_group(name, children):
            root = self.tree.node_states([ROOT])[ROOT]
            self._rename(root, joined(name_of(root.description), name))

    # Over-full

    def _grow_due_subtrees(self, states: Mapping[int, NodeState]) -> bool:
        """Grow anew the largest subtrees that changed enough; return whether there are any.

        The change that makes a large one due takes the longer; spread over all that led to it,
        growing costs each of them little.
        """
        counts = self.touched.moves.counts
        due = set()
        for state in states.values():
            size = state.size + counts[state.id]
            if not state.is_leaf and size <= MOST_GROWN and state.moved >= REGROW_AT * size:
                due.add(state.id)
        due = {node for node in due if self._is_parted(node)}
        for node in sorted(due, key=lambda each: states[each].depth):
            # To make room for one that was grown, another may have been joined to its like.
            if not due & set(above(states, node)) and self.tree.node_states([node]):
                self._planter.grow_anew(node)
                self.touched.regrown += 1
        return bool(due)


def above(states: Mapping[int, NodeState], node: int) -> list[int]:
    """Return the nodes above one, nearest first."""
    found = []
    at = states[node].parent
    while at is not None:
        found.append(at)
        at = states[at].parent
    return found
