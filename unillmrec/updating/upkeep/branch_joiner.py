"""Make room below an over-full branch: join children that are alike, or part them in groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unillmrec.store import EditableTree, NodeRow, NodeState
from unillmrec.tree.clustering import groups_of_points, groups_of_rows
from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import Bounds
from unillmrec.tree.vector_rows import as_rows
from unillmrec.updating.placement.nearest_leaf import ChangeSet

# A branch that was just made room in takes a few more children before it is over-full again.
ROOM_MADE = 2


@dataclass(slots=True)
class _Child:
    """A child of the over-full branch, and how many children it has, or counts for."""

    state: NodeState
    width: int


class Joiner:
    """Joins the children of one node two by two, the pair first that loses least by it.

    Two branches become one with the children of both, so that the tree gets no deeper; a leaf
    joins a branch, and two leaves get a branch of their own.
    """

    def __init__(self, tree: EditableTree, touched: ChangeSet, bounds: Bounds) -> None:
        self._tree = tree
        self._touched = touched
        self._widest = bounds.fan_out

    def make_room(self, node: int, most: int) -> bool:
        """Join children of *node* until there is room among *most*; return whether there is."""
        family = self._tree.child_states([node])[node]
        children = [_Child(each, self._width(each)) for each in family]
        products = self._products([each.id for each in family])
        while len(children) > most - ROOM_MADE:
            pair = self._cheapest(children, products)
            if pair is None:
                break
            kept, given = pair
            children[kept] = self._join(node, children[kept], children[given])
            products[kept] += products[given]
            products[:, kept] += products[:, given]
            products = np.delete(np.delete(products, given, 0), given, 1)
            del children[given]
            self._touched.merges += 1
        self._touched.nodes.add(node)
        self._tree.reorder_children([each.state.id for each in children])
        return len(children) <= most

    def _width(self, state: NodeState) -> int:
        return 1 if state.is_leaf else len(self._tree.child_ids([state.id])[state.id])

    def _products(self, nodes: Sequence[int]) -> NDArray[np.float64]:
        sums = self._tree.node_matrix(nodes)
        products = sums @ sums.T
        dense = products if isinstance(products, np.ndarray) else products.toarray()
        return np.asarray(dense, np.float64)

    def _cheapest(
        self, children: Sequence[_Child], products: NDArray[np.float64]
    ) -> tuple[int, int] | None:
        """Return the pair, the larger first, whose items would be least apart in one branch."""
        squares = np.diag(products)
        lengths = np.sqrt(np.maximum(squares, 0))
        together = squares[:, None] + squares + 2 * products
        # The length of a sum of unit vectors says how well they agree.
        lost = lengths[:, None] + lengths - np.sqrt(np.maximum(together, 0))
        widths = np.array([each.width for each in children])
        lost[widths[:, None] + widths > self._widest] = np.inf
        np.fill_diagonal(lost, np.inf)
        place = int(np.argmin(lost))
        first, second = divmod(place, len(children))
        if not np.isfinite(lost[first, second]):
            return None
        one, other = children[first].state, children[second].state
        # A branch goes on as itself, and of two the larger one.
        if (one.is_leaf, -one.size) > (other.is_leaf, -other.size):
            first, second = second, first
        return first, second

    def _join(self, parent: int, kept: _Child, given: _Child) -> _Child:
        state = self._branch_of(parent, kept.state) if kept.state.is_leaf else kept.state
        tree, touched = self._tree, self._touched
        if given.state.is_leaf:
            moving, deeper = [given.state.id], 1
        else:
            moving, deeper = (
                [node for node, _ in tree.child_ids([given.state.id])[given.state.id]],
                0,
            )
        for node in moving:
            tree.move_node(node, state.id, 0, deeper)
        if not given.state.is_leaf:
            tree.remove_nodes([given.state.id])
            touched.forget([given.state.id])
        state = self._grown_by(given.state, state)
        touched.nodes |= {state.id, *moving}
        # The new ones come last, as they came.
        first = [node for node, _ in tree.child_ids([state.id])[state.id] if node not in moving]
        tree.reorder_children([*first, *moving])
        return _Child(state, kept.width + given.width)

    def _grown_by(self, given: NodeState, state: NodeState) -> NodeState:
        """Return a branch with what it was given, and note that its summary knows nothing of it."""
        moved = 0 if given.is_leaf else given.moved
        self._tree.add_move_counts({state.id: moved})
        together = replace(
            state,
            size=state.size + given.size,
            moved=state.moved + moved,
            # Where there is no summary, the refresh that follows sets it back.
            stale=state.stale + given.size,
        )
        self._tree.set_descriptions([(together.description, together.stale, together.id)])
        return together

    def _branch_of(self, parent: int, leaf: NodeState) -> NodeState:
        """Put a branch between *parent* and a leaf."""
        tree = self._tree
        (number,) = tree.take_numbers("node", 1)
        packed = tree.packed_sums([leaf.id])[0]
        description = Description().to_json()
        place = (number, parent, leaf.place, leaf.depth, leaf.size, False)
        tree.put_nodes([NodeRow(*place, description, "{}", leaf.prior, packed)])
        tree.move_node(leaf.id, number, 0, 1)
        self._touched.nodes.add(leaf.id)
        return tree.node_states([number])[number]


def like_groups(
    tree: EditableTree, children: Sequence[NodeState], groups: int, node: int
) -> list[list[NodeState]]:
    """Part the children of *node* into groups of like ones, each of two or more."""
    vectors = [each.unit() for each in tree.node_vectors([c.id for c in children])]
    rows = as_rows(vectors, int(tree.facts["next_term"]))
    cap = math.ceil(1.5 * len(children) / groups)
    place = (int(tree.facts["seed"]), node, int(tree.facts["generation"]))
    parted = groups_of_points if isinstance(rows, np.ndarray) else groups_of_rows
    labels = parted(rows, groups, cap, place)
    parts: list[list[NodeState]] = [[] for _ in range(int(labels.max()) + 1)]
    for child, label in zip(children, labels, strict=True):
        parts[label].append(child)
    # A group of one would be a branch with a single child: it joins the smallest other one.
    together = [part for part in parts if len(part) > 1]
    for part in parts:
        if len(part) == 1:
            min(together, key=len).extend(part)
    return together
