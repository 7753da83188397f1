"""Values read from a tree: nodes, and items with the leaf they are in."""

from __future__ import annotations

from dataclasses import dataclass

from unillmrec.items import Item
from unillmrec.tree.descriptions import Description

ROOT = 1
# Summaries that are out of date by up to this share of the items made no measurable difference to
# judges; beyond it a summary is due to be rewritten.
STALE_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree: the root, a branch, or a leaf that holds *size* items.

    *moved* counts the items that were added or removed below it since it was built, *stale*
    those since its summary was written. *prior* is the popularity of its items.
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
    """An item with its number in the store, the leaf it is in, and its popularity."""

    number: int
    item: Item
    leaf: int
    prior: float = 0.0
