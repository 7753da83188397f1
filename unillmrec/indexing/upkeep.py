"""Keep a changing tree in shape: split what is over-full, merge what is under-full."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from unillmrec.indexing.following import along_paths, home_leaves
from unillmrec.indexing.joining import Joiner, like_groups
from unillmrec.indexing.moves import ways_up
from unillmrec.indexing.naming import (
    are_parts,
    group_name,
    is_group,
    is_part,
    joined,
    name_of,
    renamed,
)
from unillmrec.indexing.placing import Touched
from unillmrec.indexing.regrowing import UNDESCRIBED, Grown
from unillmrec.indexing.rows import summed
from unillmrec.store import ROOT, EditableTree, NodeRow, NodeState
from unillmrec.tree.clustering import one_thread
from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import Bounds, Growth
from unillmrec.tree.vectors import NODE_TERMS, Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# A leaf is merged below this and split above its capacity; what is between is left alone, so
# that a burst of inserts and deletes does not thrash.
LEAST_IN_LEAF = 5
# A subtree whose items changed by this share is grown anew: without it, recall falls to 0.81-0.87
# of a fresh tree's when topics shift; at a quarter to a half it stays level.
REGROW_AT = 0.35
# A larger one would not fit into the memory that a change may take.
MOST_GROWN = 200_000
# So few children do not make a branch of their own.
SMALL_FAMILY = 3


class Upkeep:
    """Restores the bounds of one tree, inside a transaction. Used as a context."""

    def __init__(self, tree: EditableTree, touched: Touched) -> None:
        self.tree = tree
        self.touched = touched
        self.bounds = Bounds(**tree.facts["bounds"])
        self._named = along_paths(tree)
        self._threads = ExitStack()
        self._limited = False

    def __enter__(self) -> Upkeep:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.close()

    def _limit_threads(self) -> None:
        # It takes milliseconds, which most changes need not spend, and none needs to twice.
        if not self._limited:
            self._threads.enter_context(one_thread())
            self._limited = True

    def restore(self) -> None:
        """Bring every touched leaf, and what hangs above it, back within the bounds."""
        states = self.tree.with_ancestors(self.touched.nodes | self.touched.leaves)
        sizes = self._touched_sizes(states)
        if self._dissolve_small_leaves(sizes) or self._named:
            self._straighten_new_branches()
            states = self.tree.with_ancestors(self.touched.nodes | self.touched.leaves)
            sizes = self._touched_sizes(states)
        if self._grow_due_subtrees(states):
            sizes = self._touched_sizes(self.tree.states(sorted(self.touched.leaves | self.touched.nodes)))
        self._split([leaf for leaf, size in sizes.items() if size > self.bounds.leaf_capacity])

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
            if node in self.tree.states([node]) and self._may_merge(node):
                self._grow_anew(node)
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
        name = name_of(self.tree.states([node])[node].description)
        children = self.tree.child_states([node])[node]
        return are_parts([name_of(child.description) for child in children], name)

    def _straighten_new_branches(self) -> None:
        """Part branches that new categories have made too wide; collapse those of one child."""
        if not self._named:
            return
        for node in sorted(self.touched.nodes):
            state = self.tree.states([node]).get(node)
            if state is None or state.is_leaf:
                continue
            children = len(self.tree.child_states([node])[node])
            if children > self._most_children(node):
                self._part(node)
            elif children < 2:
                self._tidy(node)

    # Under-full

    def _dissolve_small_leaves(self, sizes: Mapping[int, int]) -> bool:
        """Give the items of nearly empty leaves to the leaves nearest; return if there are any."""
        before = self.touched.merges
        homeless: dict[int, tuple[int, ...]] = {}
        for leaf in sorted(sizes, key=lambda each: (sizes[each], each)):
            # Taking one out may have made its neighbour the root.
            if sizes[leaf] < LEAST_IN_LEAF and leaf != ROOT and self.tree.states([leaf]):
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
        placed = self.tree.items_numbered(numbers)
        items = [placed[number].item for number in numbers]
        rows = self.tree.item_rows(numbers)
        leaves = home_leaves(self.tree, items, rows, self.touched)
        self.tree.set_leaves(zip(leaves, numbers, strict=True))
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
            rows = self.tree.item_rows(numbers)
            self.touched.moves.note(self.tree, [leaf] * len(numbers), rows, priors, -1)
            self.touched.moves.elsewhere |= set(numbers)
        return dict.fromkeys(numbers, ways_up(self.tree, {leaf})[leaf])

    def _is_part(self, leaf: int) -> bool:
        """Return whether a leaf may go: a category stays as long as it has an item."""
        if not self._named:
            return True
        state = self.tree.states([leaf])[leaf]
        assert state.parent is not None
        above = self.tree.states([state.parent])[state.parent]
        return is_part(name_of(state.description), name_of(above.description))

    def _take_out(self, node: int) -> None:
        """Remove a node; a parent it leaves with one child, or none, goes too."""
        parent = self.tree.states([node])[node].parent
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
        state = self.tree.states([node])[node]
        assert state.parent is not None
        self.tree.hang(only.id, state.parent, state.place, -1)
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
            self.tree.set_leaves((ROOT, number) for number in numbers)
            leaf = NodeRow(ROOT, None, 0, 0, 0, True, UNDESCRIBED, "{}", 0.0, b"")
            self.tree.put_nodes([leaf])
        else:
            for place, child in enumerate(self.tree.child_states([only.id])[only.id]):
                self.tree.hang(child.id, ROOT, place, -1)
            if self._named:
                self._name_root_after(name_of(only.description), only.id)
        self.tree.remove_nodes([only.id])
        self.touched.forget([only.id])
        self.touched.nodes.add(ROOT)
        if len(self.tree.child_states([ROOT])[ROOT]) > self._most_children(ROOT):
            self._part(ROOT)

    def _name_root_after(self, name: str, node: int) -> None:
        """Let the root be called after the only category there is, for all paths begin with it."""
        children = [name_of(each.description) for each in self.tree.child_states([ROOT])[ROOT]]
        if not is_group(name, children):
            root = self.tree.states([ROOT])[ROOT]
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
            if not due & set(above(states, node)) and self.tree.states([node]):
                self._grow_anew(node)
                self.touched.regrown += 1
        return bool(due)

    def _split(self, leaves: Sequence[int]) -> None:
        """Part over-full leaves by content."""
        if not leaves:
            return
        numbers = self.tree.numbers_by_leaf(leaves)
        rows = self.tree.item_rows([number for held in numbers.values() for number in held])
        first = 0
        for leaf, held in numbers.items():
            self._split_one(leaf, held, rows[first : first + len(held)])
            first += len(held)
            self.touched.splits += 1

    def _split_one(self, leaf: int, numbers: list[int], rows: csr_matrix | Floats) -> None:
        """Put the parts of a leaf in its place, or below it where there is no room beside it."""
        state = self.tree.states([leaf])[leaf]
        if state.parent is None:
            self._grow_anew(leaf)
            return
        grown = Grown(self.tree, state, {leaf: numbers}, rows)
        root = self._grow(grown)
        siblings = [node for node, _ in self.tree.families([state.parent])[state.parent]]
        together = len(siblings) - 1 + len(root.children)
        if self._named or together > self._most_children(state.parent):
            self._replant(grown, root, [leaf])
            return
        self.tree.remove_nodes([leaf])
        self.touched.forget([leaf])
        parts = self._identified(grown, root.children)
        self._put(grown, [(*part, state.parent, 0, state.depth) for part in parts])
        at = siblings.index(leaf)
        self.tree.renumber([*siblings[:at], *(number for _, number in parts), *siblings[at + 1 :]])

    def _grow_anew(self, node: int) -> None:
        """Grow the subtree of *node* from its items, keeping the ids of what stays the same."""
        state = self.tree.states([node])[node]
        below = self.tree.below(node)
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
        return name_of(self.tree.states([node])[node].description)

    def _put(
        self, grown: Grown, waiting: list[tuple[Growth, int, int | None, int, int]]
    ) -> None:
        """Write what was grown: each part under its id, below a parent, in its place and depth."""
        rows: list[NodeRow] = []
        while waiting:
            growth, number, parent, place, depth = waiting.pop()
            if growth.rows is not None:
                held = grown.numbers[growth.rows].tolist()
                self.tree.set_leaves((number, each) for each in held)
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
        fresh = iter(self.tree.next_numbers("node", ids.count(None)))
        return [
            (part, next(fresh) if given is None else given)
            for part, given in zip(parts, ids, strict=True)
        ]

    def _lift(self, node: int) -> None:
        """Put the children of a grown branch in its place.

        Where its parent has no room, a large family stays where it is; a small one, which
        would make a branch of two or three, moves up all the same and the parent is parted.
        """
        state = self.tree.states([node])[node]
        children = self.tree.child_states([node])[node]
        if not children or state.parent is None:
            return
        siblings = self.tree.child_states([state.parent])[state.parent]
        most = self._most_children(state.parent)
        together = len(siblings) - 1 + len(children)
        if together > most and len(children) > SMALL_FAMILY:
            return
        order: list[int] = []
        for each in siblings:
            order += [child.id for child in children] if each.id == node else [each.id]
        for child in children:
            self.tree.hang(child.id, state.parent, 0, -1)
        self.tree.remove_nodes([node])
        self.touched.forget([node])
        self.touched.nodes |= {state.parent, *(child.id for child in children)}
        self.tree.renumber(order)
        if together > most:
            self._part(state.parent)

    def _most_children(self, node: int) -> int:
        return self.bounds.root_children if node == ROOT else self.bounds.most_children

    def _part(self, node: int) -> None:
        """Part the children of an over-full branch into groups of like ones, each a branch.

        The root, from which every walk starts, would be left with few children, and the tree
        deeper by a level: where names allow it, some of its children are joined instead.
        """
        if node == ROOT and not self._named:
            room = Joiner(self.tree, self.touched, self.bounds).make_room
            if room(node, self._most_children(node)):
                return
        children = self.tree.child_states([node])[node]
        state = self.tree.states([node])[node]
        groups = 2 if node != ROOT else max(2, round(math.sqrt(len(children))))
        self._limit_threads()
        parts = like_groups(self.tree, children, groups, node)
        numbers = self.tree.next_numbers("node", len(parts))
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
                self.tree.hang(child.id, number, place, 1)
            self.touched.nodes |= {number, *(child.id for child in part)}
        self.touched.splits += 1
        if not self._named or (
            state.parent is not None
            and is_part(name_of(state.description), self._name_of(state.parent))
        ):
            self._lift(node)


def above(states: Mapping[int, NodeState], node: int) -> list[int]:
    """Return the nodes above one, nearest first."""
    found = []
    at = states[node].parent
    while at is not None:
        found.append(at)
        at = states[at].parent
    return found
