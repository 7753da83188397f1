"""Order people by their path in the tree, so that neighbours share prompts in a prefix cache."""

from __future__ import annotations

from collections.abc import Sequence

from unillmrec.stages.profile import RECENT, Person, person_vector
from unillmrec.store import ROOT, ItemTree
from unillmrec.tree.vectors import Vector, similarities


def order_by_path(tree: ItemTree, people: Sequence[Person]) -> list[int]:
    """Return the positions of *people*, ordered by their path down the tree.

    A path leads from the root to the most similar child, down to a leaf; no model is asked.
    Neighbours in this order are asked about the same branches, which a server's prefix cache
    still holds then. People without a vector come last.
    """
    paths = _Paths(tree)
    vectors = [_vector(tree, person) for person in people]
    keys = [(vector is None, paths.find(vector)) for vector in vectors]
    return sorted(range(len(people)), key=keys.__getitem__)


def _vector(tree: ItemTree, person: Person) -> Vector | None:
    last = list(dict.fromkeys(reversed(person.history)))[:RECENT][::-1]
    places = tree.locate(last)
    return person_vector(
        tree, person, [places[item_id][0] for item_id in last if item_id in places]
    )


class _Paths:
    """Finds paths down a tree; each node is read once."""

    def __init__(self, tree: ItemTree) -> None:
        self._tree = tree
        self._read: dict[int, tuple[list[int], list[Vector]]] = {}

    def find(self, vector: Vector | None) -> tuple[int, ...]:
        """Return the index of the most similar child at each level, from the root down."""
        path: list[int] = []
        node = ROOT
        while vector is not None:
            children, vectors = self._children(node)
            if not children:
                break
            best = int(similarities(vector, vectors).argmax())
            path.append(best)
            node = children[best]
        return tuple(path)

    def _children(self, node: int) -> tuple[list[int], list[Vector]]:
        if node not in self._read:
            children = [child.id for child in self._tree.children(node)]
            self._read[node] = children, self._tree.node_vectors(children)
        return self._read[node]
