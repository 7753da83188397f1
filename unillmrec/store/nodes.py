"""What a tree is made of, as whoever reads it gets it: nodes, and items in their places."""

from __future__ import annotations

from dataclasses import dataclass

from unillmrec.items import Item
from unillmrec.tree.descriptions import Description

ROOT = 1
# Judging by summaries that are out of date by up to this share of the items cost nothing
# measurable; beyond it a summary is due to be written anew.
STALE_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree: the root, a branch, or a leaf that holds *size* items.

    *moved* counts the items that came or went below it since it was grown, *stale* those since
    its summary was written.
    """

    id: int
    parent: int | None
    depth: int
    size: int
    is_leaf: bool
    description: Description
    prior: float = 0.0
    moved: int = 0
    stale: int = 0

    def is_stale(self, share: float = STALE_SHARE) -> bool:
        """Return whether more than *share* of the items changed since the summary was written."""
        return bool(self.description.summary) and self.stale > share * self.size


@dataclass(frozen=True, slots=True)
class PlacedItem:
    """An item of the catalog, its number in the store, and the leaf it sits in."""

    number: int
    item: Item
    leaf: int
    prior: float = 0.0
