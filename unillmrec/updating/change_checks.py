"""Check changes against a tree before any of them is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.store import EditableTree, PlacedItem
from unillmrec.tree.terms import weighted_words
from unillmrec.updating.placement.path_placement import is_path_tree

MAX_SHOWN_IDS = 5
ItemUpdate = tuple[PlacedItem, Item]
"""An item as it is in the tree, and its new version."""


@dataclass(slots=True)
class ChangeBatch:
    """Changes that are made together.

    Updates *in_place* leave the vector and the leaf of an item alone, a new price for example;
    the *rewritten* items have other words or another path, and are placed again. Of these and of
    the *deletes*, the *damaged* items do not match their content hash.
    """

    inserts: list[Item] = field(default_factory=list)
    in_place: list[ItemUpdate] = field(default_factory=list)
    rewritten: list[ItemUpdate] = field(default_factory=list)
    deletes: list[PlacedItem] = field(default_factory=list)
    damaged: list[PlacedItem] = field(default_factory=list)
    unchanged: int = 0
    ignored: int = 0

    def __len__(self) -> int:
        return len(self.inserts) + len(self.in_place) + len(self.rewritten) + len(self.deletes)

    @property
    def to_place(self) -> list[Item]:
        """The items that need a vector and a leaf."""
        return [*self.inserts, *(new for _, new in self.rewritten)]


class ChangeChecker:
    """Checks changes to one tree, and sorts them into batches."""

    def __init__(self, tree: EditableTree, *, ignore_missing: bool = False) -> None:
        self.tree = tree
        self.ignore_missing = ignore_missing

    def inserts(self, items: Sequence[Item]) -> ChangeBatch:
        """Check new items, which must not be in the tree."""
        check_distinct_ids([item.id for item in items])
        present = self.tree.locate([item.id for item in items])
        if present:
            raise TreeError(
                f"{len(present)} of {len(items)} items are in "
                f"{self.tree.path.name} already: {_id_list(sorted(present))}.",
                detail="Nothing was inserted.",
                remedy="`unillmrec upsert`, which updates them.",
            )
        return ChangeBatch(inserts=list(items))

    def updates(self, items: Sequence[Item]) -> ChangeBatch:
        """Check new versions of items, which must be in the tree."""
        found = self._find(items)
        missing = [item.id for item in items if item.id not in found]
        self._refuse_missing(missing, len(items), "updated")
        batch = ChangeBatch(ignored=len(missing))
        self.add_updates(batch, [(found[item.id], item) for item in items if item.id in found])
        return batch

    def upserts(self, items: Sequence[Item]) -> ChangeBatch:
        """Check items that may be in the tree already."""
        found = self._find(items)
        batch = ChangeBatch(inserts=[item for item in items if item.id not in found])
        self.add_updates(batch, [(found[item.id], item) for item in items if item.id in found])
        return batch

    def deletes(self, ids: Sequence[str]) -> ChangeBatch:
        """Check the ids of items to delete, which must be in the tree."""
        distinct = list(dict.fromkeys(ids))
        found = self.tree.items_by_id(distinct)
        missing = [item_id for item_id in distinct if item_id not in found]
        self._refuse_missing(missing, len(distinct), "deleted")
        return ChangeBatch(deletes=list(found.values()), ignored=len(missing))

    def add_updates(self, batch: ChangeBatch, pairs: Sequence[ItemUpdate]) -> None:
        """Add updates to *batch*, sorted by whether the items must be placed again."""
        for old, new in pairs:
            if old.item.content_hash() == new.content_hash():
                batch.unchanged += 1
            elif list(weighted_words(old.item)) != list(weighted_words(new)) or (
                is_path_tree(self.tree) and old.item.path != new.path
            ):
                batch.rewritten.append((old, new))
            else:
                batch.in_place.append((old, new))

    def _find(self, items: Sequence[Item]) -> dict[str, PlacedItem]:
        check_distinct_ids([item.id for item in items])
        return self.tree.items_by_id([item.id for item in items])

    def _refuse_missing(self, missing: list[str], total: int, changed: str) -> None:
        if not missing or self.ignore_missing:
            return
        near = self.tree.nearest_id(missing[0])
        hint = f" The nearest id to {missing[0]!r} is {near!r}." if near else ""
        raise TreeError(
            f"{len(missing)} of {total} items are not in {self.tree.path.name}: "
            f"{_id_list(missing)}.",
            detail=f"Nothing was {changed}.{hint}",
            remedy=f"`unillmrec tree {self.tree.path} --find TEXT`, or pass --ignore-missing.",
        )


def check_distinct_ids(ids: Sequence[str]) -> None:
    """Raise an error if an id is repeated."""
    seen: set[str] = set()
    for item_id in ids:
        if item_id in seen:
            raise duplicate_id_error(item_id)
        seen.add(item_id)


def duplicate_id_error(item_id: str) -> TreeError:
    """Return the error for an id that is repeated."""
    return TreeError(
        f"item id {item_id!r} occurs twice in one change.",
        detail="Nothing was changed.",
        remedy="give each item once.",
    )


def _id_list(ids: Sequence[str]) -> str:
    return ", ".join(map(repr, ids[:MAX_SHOWN_IDS])) + (", …" if len(ids) > MAX_SHOWN_IDS else "")
