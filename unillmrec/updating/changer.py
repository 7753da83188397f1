"""Insert, update, upsert, delete and sync items in a tree that may be in use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from unillmrec.building.progress import READ_BATCH, OnProgress, ignore_progress
from unillmrec.errors import StoreError, TreeError
from unillmrec.items import Item
from unillmrec.store import EditableTree
from unillmrec.updating.applier import BatchApplier, ChangeReport
from unillmrec.updating.change_checks import ChangeBatch, ChangeChecker, duplicate_id_error
from unillmrec.updating.change_vectors import ChangedVectors


class TreeChanger:
    """Changes one tree file; every method is one transaction, or one for each *batch* items.

    Everything is checked first: a repeated or unknown id is an error, and the tree stays as it
    was. A tree that was built from given vectors needs *given*, the vectors of the new items.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        batch: int | None = None,
        given: ChangedVectors | None = None,
        progress: OnProgress = ignore_progress,
    ) -> None:
        self.tree = EditableTree.open(path)
        self.given = given
        self.batch = batch
        self.progress = progress

    def close(self) -> None:
        """Close the file."""
        self.tree.close()

    def __enter__(self) -> TreeChanger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.tree.explain(error)
        finally:
            self.close()

    def insert(self, items: Iterable[Item]) -> ChangeReport:
        """Insert new items.

        Raises:
            TreeError: an id is in the tree already, or occurs twice.
        """
        return self._in_batches(self._tracked(items), ChangeChecker(self.tree).inserts)

    def update(self, items: Iterable[Item], *, ignore_missing: bool = False) -> ChangeReport:
        """Replace items in the tree with new versions of them.

        Raises:
            TreeError: an id is not in the tree (unless *ignore_missing*), or occurs twice.
        """
        checker = ChangeChecker(self.tree, ignore_missing=ignore_missing)
        return self._in_batches(self._tracked(items), checker.updates)

    def upsert(self, items: Iterable[Item]) -> ChangeReport:
        """Insert the items that are new, and update the others."""
        return self._in_batches(self._tracked(items), ChangeChecker(self.tree).upserts)

    def delete(self, ids: Iterable[str], *, ignore_missing: bool = False) -> ChangeReport:
        """Delete items by their ids.

        Raises:
            TreeError: an id is not in the tree, unless *ignore_missing*.
        """
        checker = ChangeChecker(self.tree, ignore_missing=ignore_missing)
        return self._in_batches(ids, checker.deletes)

    def sync(self, items: Iterable[Item]) -> ChangeReport:
        """Make the tree hold exactly *items*, by applying only the differences.

        All differences are one transaction, however many, so that no reader sees half of them.

        Raises:
            TreeError: an id occurs twice, or there are no items at all.
            StoreError: another process changed the tree while *items* were read.
        """
        started = time.perf_counter()
        version = self.tree.version()
        difference = _CatalogDifference(self.tree)
        for item in self._tracked(items):
            difference.add(item)
            if len(difference.seen) % READ_BATCH == 0:
                self.progress("reading", len(difference.seen), None)
        batch = difference.batch()
        if not len(batch):
            seconds = time.perf_counter() - started
            return ChangeReport(unchanged=batch.unchanged, seconds=seconds)
        self._prepare(batch)
        self.progress("changing", 0, None)
        with self.tree.transaction():
            # The file is not locked while the catalog is read, which may take minutes.
            if self.tree.version() != version:
                raise StoreError(
                    f"another process changed {self.tree.path} while the catalog was read.",
                    detail="Nothing was changed.",
                    remedy="the same command again.",
                )
            report = BatchApplier(self.tree, self.given).apply(batch)
        return replace(report, seconds=time.perf_counter() - started)

    def _tracked(self, items: Iterable[Item]) -> Iterable[Item]:
        return self.given.track(items) if self.given else items

    def _prepare(self, batch: ChangeBatch) -> None:
        if self.given is not None:
            self.given.prepare(batch.to_place)

    def _in_batches(
        self, changes: Iterable[Any], check: Callable[[list[Any]], ChangeBatch]
    ) -> ChangeReport:
        """Check and apply the *changes*, all at once or batch by batch."""
        report = ChangeReport()
        remaining = iter(changes)
        while part := list(islice(remaining, self.batch)):
            started = time.perf_counter()
            if self.given is not None:
                # Embedding may take long, so it is done before the file is locked.
                self._prepare(check(part))
            with self.tree.transaction():
                applied = BatchApplier(self.tree, self.given).apply(check(part))
            report += replace(applied, seconds=time.perf_counter() - started)
            self.progress("changing", report.changed, None)
        return report


class _CatalogDifference:
    """The differences between a catalog and a tree."""

    def __init__(self, tree: EditableTree) -> None:
        self.seen: set[str] = set()
        self._tree = tree
        self._hashes = tree.content_hashes()
        self._changed: dict[str, Item] = {}
        self._batch = ChangeBatch()

    def add(self, item: Item) -> None:
        """Compare the next item of the catalog with the tree."""
        if item.id in self.seen:
            raise duplicate_id_error(item.id)
        self.seen.add(item.id)
        known = self._hashes.get(item.id)
        if known is None:
            self._batch.inserts.append(item)
        elif known == item.content_hash():
            self._batch.unchanged += 1
        else:
            self._changed[item.id] = item

    def batch(self) -> ChangeBatch:
        """Return all changes that make the tree equal to the catalog."""
        if not self.seen and self._hashes:
            raise TreeError(
                f"the catalog has no items; all {len(self._hashes):,} items of the tree "
                "would be deleted.",
                detail="Nothing was changed.",
                remedy="`unillmrec delete`, if that is what you want.",
            )
        # Nothing can be compared with an item that is damaged; it is placed again.
        damaged = [item_id for item_id in self._changed if not self._hashes[item_id]]
        self._batch.damaged = list(self._tree.damaged_items(damaged).values())
        for old in self._batch.damaged:
            self._batch.rewritten.append((old, self._changed.pop(old.item.id)))
        placed = self._tree.items_by_id(list(self._changed))
        pairs = [(placed[item_id], item) for item_id, item in self._changed.items()]
        ChangeChecker(self._tree).add_updates(self._batch, pairs)
        deleted = [item_id for item_id in self._hashes if item_id not in self.seen]
        lost = self._tree.damaged_items([each for each in deleted if not self._hashes[each]])
        self._batch.damaged += lost.values()
        intact = self._tree.items_by_id([each for each in deleted if each not in lost])
        self._batch.deletes = [*lost.values(), *intact.values()]
        return self._batch
