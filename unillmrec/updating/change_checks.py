"""What is to be changed, checked against a tree before anything is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.store import EditableTree, PlacedItem
from unillmrec.tree.terms import weighted_words
from unillmrec.updating.placement.path_placement import along_paths

SHOWN = 5
Pair = tuple[PlacedItem, Item]
"""An item as it is in the tree, and as it shall be."""


@dataclass(slots=True)
class Batch:
    """Changes that are done together; *rewritten* updates change words or the path."""

    inserts: list[Item] = field(default_factory=list)
    kept: list[Pair] = field(default_factory=list)
    rewritten: list[Pair] = field(default_factory=list)
    deletes: list[PlacedItem] = field(default_factory=list)
    unchanged: int = 0
    ignored: int = 0

    def __len__(self) -> int:
        return len(self.inserts) + len(self.kept) + len(self.rewritten) + len(self.deletes)

    @property
    def placed(self) -> list[Item]:
        """The items that need a vector and a leaf."""
        return [*self.inserts, *(new for _, new in self.rewritten)]


class Checker:
    """Makes batches for one tree, and refuses what does not fit it."""

    def __init__(self, tree: EditableTree, *, ignore_missing: bool = False) -> None:
        self.tree = tree
        self.ignore_missing = ignore_missing

    def inserts(self, items: Sequence[Item]) -> Batch:
        """Check new items."""
        refuse_twice([item.id for item in items])
        there = self.tree.locate([item.id for item in items])
        if there:
            raise TreeError(
                f"{len(there)} of {len(items)} items are in "
                f"{self.tree.path.name} already: {_shown(sorted(there))}.",
                detail="Nothing was inserted.",
                remedy="`unillmrec upsert`, which updates them.",
            )
        return Batch(inserts=list(items))

    def updates(self, items: Sequence[Item]) -> Batch:
        """Check new versions of items that must be there."""
        there = self._there(items)
        missing = [item.id for item in items if item.id not in there]
        self._refuse_missing(missing, len(items), "updated")
        batch = Batch(ignored=len(missing))
        self.add_updates(batch, [(there[item.id], item) for item in items if item.id in there])
        return batch

    def upserts(self, items: Sequence[Item]) -> Batch:
        """Check items that may be there or not."""
        there = self._there(items)
        batch = Batch(inserts=[item for item in items if item.id not in there])
        self.add_updates(batch, [(there[item.id], item) for item in items if item.id in there])
        return batch

    def deletes(self, ids: Sequence[str]) -> Batch:
        """Check the ids of items that must be there."""
        wanted = list(dict.fromkeys(ids))
        there = self.tree.items_by_id(wanted)
        missing = [item_id for item_id in wanted if item_id not in there]
        self._refuse_missing(missing, len(wanted), "deleted")
        return Batch(deletes=list(there.values()), ignored=len(missing))

    def add_updates(self, batch: Batch, pairs: Sequence[Pair]) -> None:
        """Sort updates into those that leave the vector alone, a price say, and the rest."""
        for old, new in pairs:
            if old.item.content_hash() == new.content_hash():
                batch.unchanged += 1
            elif list(weighted_words(old.item)) != list(weighted_words(new)) or (
                along_paths(self.tree) and old.item.path != new.path
            ):
                batch.rewritten.append((old, new))
            else:
                batch.kept.append((old, new))

    def _there(self, items: Sequence[Item]) -> dict[str, PlacedItem]:
        refuse_twice([item.id for item in items])
        return self.tree.items_by_id([item.id for item in items])

    def _refuse_missing(self, missing: list[str], total: int, done: str) -> None:
        if not missing or self.ignore_missing:
            return
        near = self.tree.nearest_id(missing[0])
        hint = f" The nearest id to {missing[0]!r} is {near!r}." if near else ""
        raise TreeError(
            f"{len(missing)} of {total} items are not in {self.tree.path.name}: {_shown(missing)}.",
            detail=f"Nothing was {done}.{hint}",
            remedy=f"`unillmrec tree {self.tree.path} --find TEXT`, or pass --ignore-missing.",
        )


def refuse_twice(ids: Sequence[str]) -> None:
    """Raise an error if an id is repeated."""
    seen: set[str] = set()
    for item_id in ids:
        if item_id in seen:
            raise twice(item_id)
        seen.add(item_id)


def twice(item_id: str) -> TreeError:
    """Return the error for an id that is repeated."""
    return TreeError(
        f"item id {item_id!r} comes twice in one change.",
        detail="Nothing was changed.",
        remedy="give each item once.",
    )


def _shown(ids: Sequence[str]) -> str:
    return ", ".join(map(repr, ids[:SHOWN])) + (", …" if len(ids) > SHOWN else "")
