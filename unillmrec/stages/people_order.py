"""In which order many people are best served, so that neighbours read the same prompts."""

from __future__ import annotations

from collections.abc import Sequence

from unillmrec.stages.profile import RECENT, Person, taste_of
from unillmrec.store import ROOT, ItemTree
from unillmrec.tree.vectors import Vector, similarities


def order_by_path(tree: ItemTree, people: Sequence[Person]) -> list[int]:
    """Return the places of *people* in the order of their own way down the tree.

    Each goes from the root to the child most like them, until there is a leaf; no model is
    asked. People after one another are then asked about the same branches, which a server's
    prefix cache still holds where it could not hold all. Who cannot be placed comes last.
    """
    ways = _Ways(tree)
    tastes = [_taste(tree, person) for person in people]
    paths = [(taste is None, ways.of(taste)) for taste in tastes]
    return sorted(range(len(people)), key=paths.__getitem__)


def _taste(tree: ItemTree, person: Person) -> Vector | None:
    last = list(dict.fromkeys(reversed(person.history)))[:RECENT][::-1]
    places = tree.locate(last)
    return taste_of(tree, person, [places[item_id][0] for item_id in last if item_id in places])


class _Ways:
    """Ways down a tree, of which each node is read once."""

    def __init__(self, tree: ItemTree) -> None:
        self._tree = tree
        self._read: dict[int, tuple[list[int], list[Vector]]] = {}

    def of(self, taste: Vector | None) -> tuple[int, ...]:
        """Return the places of the most similar children, from the root's downwards."""
        path: list[int] = []
        node = ROOT
        while taste is not None:
            children, vectors = self._children(node)
            if not children:
                break
            best = int(similarities(taste, vectors).argmax())
            path.append(best)
            node = children[best]
        return tuple(path)

    def _children(self, node: int) -> tuple[list[int], list[Vector]]:
        if node not in self._read:
            children = [child.id for child in self._tree.children(node)]
            self._read[node] = children, self._tree.node_vectors(children)
        return self._read[node]
