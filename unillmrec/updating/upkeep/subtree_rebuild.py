"""Cluster the items of a subtree again, and keep the ids of leaves that stay nearly the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from unillmrec.store import ROOT, EditableTree, NodeState
from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import Bounds, Growth, Rows, flatten, grow
from unillmrec.tree.node_names import name_of, name_parts, replace_name
from unillmrec.tree.path_growing import grow_paths
from unillmrec.tree.terms import count_terms, weighted_rows, weighted_words
from unillmrec.tree.vector_rows import packed_rows, row_entries
from unillmrec.tree.vectors import NODE_TERMS, Floats, Vector
from unillmrec.updating.placement.path_placement import categories_of, is_path_tree

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# A new leaf that shares this much of its items with an old one keeps its id and summary.
SAME_NODE = 0.6
UNDESCRIBED = Description().to_json()


class SubtreeRebuild:
    """A subtree that is clustered again.

    A leaf that keeps nearly the same items keeps its id and its summary. The vectors of the items
    are computed again, unless *rows* has them in the order of the items' numbers.
    """

    def __init__(
        self,
        tree: EditableTree,
        state: NodeState,
        old: dict[int, list[int]],
        rows: csr_matrix | Floats | None = None,
    ) -> None:
        self._tree = tree
        self.state = state
        # By how much the sum of all items changed where their vectors were computed again.
        self.weight_gain: csr_matrix | None = None
        self.numbers = np.array(sorted(each for held in old.values() for each in held), np.int64)
        if rows is None:
            rows = self._reweigh() if tree.sparse else tree.item_matrix(self.numbers.tolist())
        self.rows = rows
        self._home = {number: leaf for leaf, numbers in old.items() for number in numbers}
        self._sizes = {leaf: len(numbers) for leaf, numbers in old.items()}
        states = tree.node_states(list(old)).values()
        self._descriptions = {each.id: each.description for each in states}
        self.stale = {each.id: each.stale for each in states}

    def _reweigh(self) -> csr_matrix:
        """Compute and write the items' vectors with the present idf of their terms.

        The idf changes with the catalog. A tree clustered from vectors of different times finds
        much less than one that is built now.
        """
        from scipy.sparse import csr_matrix

        tree, numbers = self._tree, self.numbers.tolist()
        placed = tree.items_by_number(numbers)
        with_ngrams = bool(tree.facts["pieces"])
        used = [
            count_terms(weighted_words(placed[each].item), with_ngrams=with_ngrams)
            for each in numbers
        ]
        known = tree.known_terms({term for each in used for term in each})
        rows = weighted_rows(used, known, int(tree.facts["next_term"]))
        before = tree.item_matrix(numbers)
        tree.put_vectors(zip(numbers, packed_rows(rows), strict=True))
        self.weight_gain = csr_matrix(rows.sum(axis=0) - before.sum(axis=0), dtype=np.float32)
        return rows

    def grow(self, bounds: Bounds) -> Growth:
        """Cluster the items; in a tree of paths, name the nodes too."""
        tree, state = self._tree, self.state
        if not is_path_tree(tree):
            return self._clusters(bounds)
        if state.id == ROOT and len(self.numbers) > bounds.leaf_capacity:
            return self._along_paths(bounds)
        root = self._clusters(bounds)
        above = tree.node_states([state.parent or ROOT])[state.parent or ROOT]
        name = "" if state.id == ROOT else name_of(state.description)
        numbered = tree.facts["tree"] == "paths"
        name_parts(root, name, name_of(above.description), numbered=numbered)
        return root

    def _clusters(self, bounds: Bounds) -> Growth:
        facts = self._tree.facts
        place = (int(facts["seed"]), self.state.id, int(facts["generation"]))
        root = grow(self.rows, np.arange(len(self.numbers)), bounds, place)
        most = bounds.root_children if self.state.id == ROOT else bounds.fan_out
        return flatten(root, replace(bounds, root_children=most))

    def _along_paths(self, bounds: Bounds) -> Growth:
        tree = self._tree
        placed = tree.items_by_number(self.numbers.tolist())
        categories = categories_of([placed[number].item for number in self.numbers.tolist()])
        if not categories.children:
            return self._clusters(bounds)
        clusters = tree.facts["tree"] == "paths+clusters"
        return grow_paths(self.rows, categories, bounds, int(tree.facts["seed"]), clusters=clusters)

    def description_of(self, number: int, growth: Growth) -> str:
        """Return the old description of a node, or an empty one, with its new name."""
        return replace_name(self._descriptions.get(number, UNDESCRIBED), growth.label)

    def top_for(self, root: Growth) -> int:
        """Return the id of the top of the rebuilt subtree.

        A leaf that became a branch leaves its id to the child that keeps most of its items; the
        root stays the root.
        """
        state = self.state
        if state.is_leaf and root.children and state.id != ROOT:
            return self._tree.take_numbers("node", 1)[0]
        self._sizes.pop(state.id, None)
        self._descriptions[state.id] = state.description
        self.stale[state.id] = state.stale
        return state.id

    def id_for(self, growth: Growth) -> int | None:
        """Return the id of the old leaf with nearly the same items, each old leaf once."""
        if growth.rows is None:
            return None
        held = self.numbers[growth.rows].tolist()
        homes = Counter(self._home[number] for number in held)
        for leaf, shared in homes.most_common(1):
            together = len(held) + self._sizes.get(leaf, 0) - shared
            if leaf in self._sizes and shared / together >= SAME_NODE:
                del self._sizes[leaf]
                self.stale[leaf] += together - shared
                return leaf
        return None

    def sum_of(self, growth: Growth) -> Vector:
        """Return the sum of the vectors of a node's items."""
        members = _members(growth)
        if isinstance(self.rows, np.ndarray):
            return Vector(self.rows[members].sum(axis=0))
        held = row_entries(self.rows, members)
        total = np.bincount(held.ids, held.weights)
        ids = np.flatnonzero(total).astype(np.int32)
        return Vector(total[ids].astype(np.float32), ids).strongest(NODE_TERMS)


def _members(growth: Growth) -> Rows:
    if growth.rows is not None:
        return growth.rows
    return np.concatenate([_members(child) for child in growth.children])
