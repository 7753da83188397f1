"""Insert, update, delete, upsert, sync: changes to a tree while it is in use."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from unillmrec.building.pipeline import REPORT_EVERY, Progress, silent
from unillmrec.errors import StoreError, TreeError
from unillmrec.items import Item
from unillmrec.store import EditableTree
from unillmrec.updating.applier import Applier, ChangeReport
from unillmrec.updating.change_checks import Batch, Checker, twice
from unillmrec.updating.change_vectors import ChangedVectors


class TreeChanger:
    """Changes one tree file; every method is one transaction, or one for each *batch* items.

    Everything is checked before anything changes: a repeated or unknown id is an error and
    the tree stays as it was. *given* are the vectors of the items, in a tree that was built
    from given ones.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        batch: int | None = None,
        given: ChangedVectors | None = None,
        progress: Progress = silent,
    ) -> None:
        self.tree = EditableTree.open(path)
        self.given = given
        self.batch = batch
        self.progress = progress

    def close(self) -> None:
        """Let go of the file."""
        self.tree.close()

    def __enter__(self) -> TreeChanger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def insert(self, items: Iterable[Item]) -> ChangeReport:
        """Put new items into the tree.

        Raises:
            TreeError: an id is in the tree already, or comes twice.
        """
        return self._in_batches(self._noted(items), Checker(self.tree).inserts)

    def update(self, items: Iterable[Item], *, ignore_missing: bool = False) -> ChangeReport:
        """Replace items that are in the tree by new versions of them.

        Raises:
            TreeError: an id is not in the tree (unless *ignore_missing*), or comes twice.
        """
        checker = Checker(self.tree, ignore_missing=ignore_missing)
        return self._in_batches(self._noted(items), checker.updates)

    def upsert(self, items: Iterable[Item]) -> ChangeReport:
        """Insert the new ones among *items* and update the rest."""
        return self._in_batches(self._noted(items), Checker(self.tree).upserts)

    def delete(self, ids: Iterable[str], *, ignore_missing: bool = False) -> ChangeReport:
        """Take items out.

        Raises:
            TreeError: an id is not in the tree, unless *ignore_missing*.
        """
        checker = Checker(self.tree, ignore_missing=ignore_missing)
        return self._in_batches(ids, checker.deletes)

    def sync(self, items: Iterable[Item]) -> ChangeReport:
        """Make the tree hold exactly *items*: apply the difference, and only that.

        The difference is one transaction however large it is, so that nobody sees half of it.

        Raises:
            TreeError: an id comes twice, or there are no items at all.
            StoreError: the tree was changed by somebody else while *items* were read.
        """
        started = time.perf_counter()
        version = self.tree.version()
        difference = _Difference(self.tree)
        for item in self._noted(items):
            difference.add(item)
            if len(difference.seen) % REPORT_EVERY == 0:
                self.progress("reading", len(difference.seen), None)
        batch = difference.batch()
        if not len(batch):
            seconds = time.perf_counter() - started
            return ChangeReport(unchanged=batch.unchanged, seconds=seconds)
        self._prepare(batch)
        self.progress("changing", 0, None)
        with self.tree.transaction():
            # The file is not locked while a catalog is read, which may take minutes.
            if self.tree.version() != version:
                raise StoreError(
                    f"{self.tree.path} was changed by another process in the meantime.",
                    detail="Nothing was changed.",
                    remedy="again.",
                )
            report = Applier(self.tree, self.given).apply(batch)
        return replace(report, seconds=time.perf_counter() - started)

    def _noted(self, items: Iterable[Item]) -> Iterable[Item]:
        return self.given.track(items) if self.given else items

    def _prepare(self, batch: Batch) -> None:
        if self.given is not None:
            self.given.prepare(batch.placed)

    def _in_batches(
        self, things: Iterable[Any], check: Callable[[list[Any]], Batch]
    ) -> ChangeReport:
        """Check and apply *things*, all at once or batch by batch."""
        report = ChangeReport()
        waiting = iter(things)
        while part := list(islice(waiting, self.batch)):
            started = time.perf_counter()
            if self.given is not None:
                # An endpoint may take its time, and the others need not wait for it.
                self._prepare(check(part))
            with self.tree.transaction():
                done = Applier(self.tree, self.given).apply(check(part))
            report += replace(done, seconds=time.perf_counter() - started)
            self.progress("changing", report.changed, None)
        return report


class _Difference:
    """What a catalog has that a tree has not, and the other way round."""

    def __init__(self, tree: EditableTree) -> None:
        self.seen: set[str] = set()
        self._tree = tree
        self._hashes = tree.content_hashes()
        self._changed: dict[str, Item] = {}
        self._batch = Batch()

    def add(self, item: Item) -> None:
        """Compare the next item of the catalog."""
        if item.id in self.seen:
            raise twice(item.id)
        self.seen.add(item.id)
        known = self._hashes.get(item.id)
        if known is None:
            self._batch.inserts.append(item)
        elif known == item.content_hash():
            self._batch.unchanged += 1
        else:
            self._changed[item.id] = item

    def batch(self) -> Batch:
        """Return all changes that make the tree equal to the catalog."""
        if not self.seen and self._hashes:
            raise TreeError(
                f"the catalog has no items; all {len(self._hashes):,} of the tree's would go.",
                detail="Nothing was changed.",
                remedy="`unillmrec delete`, if that is what you want.",
            )
        placed = self._tree.items_by_id(list(self._changed))
        pairs = [(placed[item_id], item) for item_id, item in self._changed.items()]
        Checker(self._tree).add_updates(self._batch, pairs)
        gone = [item_id for item_id in self._hashes if item_id not in self.seen]
        self._batch.deletes = list(self._tree.items_by_id(gone).values())
        return self._batch
