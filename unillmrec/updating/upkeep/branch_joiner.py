"""Make room in an overfull branch: join similar children, or group them into branches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unillmrec.store import EditableTree, NodeRow, NodeState
from unillmrec.tree.clustering import cluster_points, cluster_rows
from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import Bounds
from unillmrec.tree.vector_rows import stack_rows
from unillmrec.updating.placement.nearest_leaf import ChangeSet

# How many more children fit afterwards, so that the next one does not start this again.
ROOM_MADE = 2


@dataclass(slots=True)
class _Child:
    """A child of the overfull branch, and its number of children; a leaf counts as one."""

    state: NodeState
    width: int


class BranchJoiner:
    """Joins pairs of children of one node, the most similar pair first.

    Two branches become one with the children of both, so that the tree gets no deeper; a leaf
    moves into a branch, and two leaves get a new branch.
    """

    def __init__(self, tree: EditableTree, changes: ChangeSet, bounds: Bounds) -> None:
        self._tree = tree
        self._touched = changes
        self._widest = bounds.fan_out

    def make_room(self, node: int, most: int) -> bool:
        """Join children of *node* until *most* leaves room for more; return whether that worked."""
        states = self._tree.child_states([node])[node]
        children = [_Child(each, self._width(each)) for each in states]
        products = self._products([each.id for each in states])
        while len(children) > most - ROOM_MADE:
            pair = self._most_similar(children, products)
            if pair is None:
                break
            target, absorbed = pair
            children[target] = self._join(node, children[target], children[absorbed])
            products[target] += products[absorbed]
            products[:, target] += products[:, absorbed]
            products = np.delete(np.delete(products, absorbed, 0), absorbed, 1)
            del children[absorbed]
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

    def _most_similar(
        self, children: Sequence[_Child], products: NDArray[np.float64]
    ) -> tuple[int, int] | None:
        """Return the positions of the pair that loses least by joining, the larger one first."""
        squares = np.diag(products)
        lengths = np.sqrt(np.maximum(squares, 0))
        together = squares[:, None] + squares + 2 * products
        # The longer a sum of unit vectors, the more similar the vectors are.
        lost = lengths[:, None] + lengths - np.sqrt(np.maximum(together, 0))
        widths = np.array([each.width for each in children])
        lost[widths[:, None] + widths > self._widest] = np.inf
        np.fill_diagonal(lost, np.inf)
        place = int(np.argmin(lost))
        first, second = divmod(place, len(children))
        if not np.isfinite(lost[first, second]):
            return None
        one, other = children[first].state, children[second].state
        # A branch absorbs a leaf, and the larger of two branches the smaller one.
        if (one.is_leaf, -one.size) > (other.is_leaf, -other.size):
            first, second = second, first
        return first, second

    def _join(self, parent: int, target: _Child, absorbed: _Child) -> _Child:
        state = self._branch_of(parent, target.state) if target.state.is_leaf else target.state
        tree, changes = self._tree, self._touched
        if absorbed.state.is_leaf:
            moving, deeper = [absorbed.state.id], 1
        else:
            moving, deeper = (
                [node for node, _ in tree.child_ids([absorbed.state.id])[absorbed.state.id]],
                0,
            )
        for node in moving:
            tree.move_node(node, state.id, 0, deeper)
        if not absorbed.state.is_leaf:
            tree.remove_nodes([absorbed.state.id])
            changes.discard_nodes([absorbed.state.id])
        state = self._absorb(absorbed.state, state)
        changes.nodes |= {state.id, *moving}
        # The new children come last, in their order.
        first = [node for node, _ in tree.child_ids([state.id])[state.id] if node not in moving]
        tree.reorder_children([*first, *moving])
        return _Child(state, target.width + absorbed.width)

    def _absorb(self, absorbed: NodeState, state: NodeState) -> NodeState:
        """Add the counts of an absorbed node, which the summary of the branch does not cover."""
        moved = 0 if absorbed.is_leaf else absorbed.moved
        self._tree.add_move_counts({state.id: moved})
        together = replace(
            state,
            size=state.size + absorbed.size,
            moved=state.moved + moved,
            # Without a summary, the refresh that follows resets this to zero.
            stale=state.stale + absorbed.size,
        )
        self._tree.set_descriptions([(together.description, together.stale, together.id)])
        return together

    def _branch_of(self, parent: int, leaf: NodeState) -> NodeState:
        """Insert a branch between *parent* and a leaf."""
        tree = self._tree
        (number,) = tree.take_numbers("node", 1)
        packed = tree.packed_sums([leaf.id])[0]
        description = Description().to_json()
        place = (number, parent, leaf.place, leaf.depth, leaf.size, False)
        tree.put_nodes([NodeRow(*place, description, "{}", leaf.prior, packed)])
        tree.move_node(leaf.id, number, 0, 1)
        self._touched.nodes.add(leaf.id)
        return tree.node_states([number])[number]


def group_similar(
    tree: EditableTree, children: Sequence[NodeState], groups: int, node: int
) -> list[list[NodeState]]:
    """Cluster the children of *node* into groups of two or more similar ones."""
    vectors = [each.unit() for each in tree.node_vectors([c.id for c in children])]
    rows = stack_rows(vectors, int(tree.facts["next_term"]))
    cap = math.ceil(1.5 * len(children) / groups)
    place = (int(tree.facts["seed"]), node, int(tree.facts["generation"]))
    cluster = cluster_points if isinstance(rows, np.ndarray) else cluster_rows
    labels = cluster(rows, groups, cap, place)
    parts: list[list[NodeState]] = [[] for _ in range(int(labels.max()) + 1)]
    for child, label in zip(children, labels, strict=True):
        parts[label].append(child)
    # A group of one would be a branch with a single child: it joins the smallest other group.
    together = [part for part in parts if len(part) > 1]
    for part in parts:
        if len(part) == 1:
            min(together, key=len).extend(part)
    return together
