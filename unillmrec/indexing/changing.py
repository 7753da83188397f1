"""Insert, update, delete, upsert, sync: changes to a tree while it is in use."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from unillmrec.errors import TreeError
from unillmrec.indexing.building import Progress, count_of, silent
from unillmrec.indexing.given import GivenVectors
from unillmrec.indexing.placing import nearest_leaves
from unillmrec.indexing.refreshing import Refresh
from unillmrec.indexing.upkeep import Touched, Upkeep, above
from unillmrec.items import Item
from unillmrec.store import EditableTree, PlacedItem, item_row
from unillmrec.tree.terms import terms_of, vector_of, weighted_words
from unillmrec.tree.vectors import Vector


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """What changes did to a tree."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    ignored: int = 0
    splits: int = 0
    merges: int = 0
    regrown: int = 0
    refreshed: int = 0
    seconds: float = 0.0

    def __add__(self, other: ChangeReport) -> ChangeReport:
        return ChangeReport(
            *(getattr(self, each.name) + getattr(other, each.name) for each in fields(self))
        )


@dataclass(slots=True)
class _Batch:
    """Changes that are done together."""

    inserts: list[Item] = field(default_factory=list)
    updates: list[tuple[PlacedItem, Item]] = field(default_factory=list)
    deletes: list[PlacedItem] = field(default_factory=list)
    unchanged: int = 0
    ignored: int = 0

    def __len__(self) -> int:
        return len(self.inserts) + len(self.updates) + len(self.deletes)


class TreeChanger:
    """Changes one tree file; every method is one transaction, or one for each *batch* items.

    Everything is checked before anything changes: a repeated or unknown id is an error and
    the tree stays as it was.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        batch: int | None = None,
        given: GivenVectors | None = None,
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
        return self._in_batches(items, self._checked_inserts)

    def update(self, items: Iterable[Item], *, ignore_missing: bool = False) -> ChangeReport:
        """Replace items that are in the tree by new versions of them.

        Raises:
            TreeError: an id is not in the tree (unless *ignore_missing*), or comes twice.
        """
        return self._in_batches(items, lambda part: self._checked_updates(part, ignore_missing))

    def upsert(self, items: Iterable[Item]) -> ChangeReport:
        """Insert the new ones among *items* and update the rest."""
        return self._in_batches(items, self._checked_upserts)

    def delete(self, ids: Iterable[str], *, ignore_missing: bool = False) -> ChangeReport:
        """Take items out.

        Raises:
            TreeError: an id is not in the tree, unless *ignore_missing*.
        """
        return self._in_batches(ids, lambda part: self._checked_deletes(part, ignore_missing))

    def sync(self, items: Iterable[Item]) -> ChangeReport:
        """Make the tree hold exactly *items*: apply the difference, and only that.

        The difference is one transaction however large it is, so that nobody sees half of it.
        """
        started = time.perf_counter()
        with self.tree.transaction():
            old = self.tree.hashes()
            seen: set[str] = set()
            batch = _Batch()
            changed: list[Item] = []
            for item in items:
                if item.id in seen:
                    raise _twice(item.id)
                seen.add(item.id)
                known = old.get(item.id)
                if known is None:
                    batch.inserts.append(item)
                elif known != item.content_hash():
                    changed.append(item)
                else:
                    batch.unchanged += 1
            placed = self.tree.items_with_ids([item.id for item in changed])
            batch.updates = [(placed[item.id], item) for item in changed]
            gone = self.tree.items_with_ids([item_id for item_id in old if item_id not in seen])
            batch.deletes = list(gone.values())
            return self._apply(batch, started)

    # Checking

    def _in_batches(
        self, things: Iterable[Any], check: Callable[[list[Any]], _Batch]
    ) -> ChangeReport:
        """Check and apply *things*, all at once or batch by batch."""
        report = ChangeReport()
        waiting = iter(things)
        while part := list(islice(waiting, self.batch)):
            started = time.perf_counter()
            with self.tree.transaction():
                report += self._apply(check(part), started)
            done = report.inserted + report.updated + report.deleted
            self.progress("changing", done, None)
        return report

    def _checked_inserts(self, items: list[Item]) -> _Batch:
        _refuse_twice([item.id for item in items])
        there = self.tree.items_with_ids([item.id for item in items])
        if there:
            shown = _shown(sorted(there))
            raise TreeError(
                f"{len(there)} of {len(items)} items are in "
                f"{self.tree.path.name} already: {shown}.",
                detail="Nothing was inserted.",
                remedy="`unillmrec upsert`, which updates them.",
            )
        return _Batch(inserts=items)

    def _checked_updates(self, items: list[Item], ignore_missing: bool) -> _Batch:
        _refuse_twice([item.id for item in items])
        there = self.tree.items_with_ids([item.id for item in items])
        missing = [item.id for item in items if item.id not in there]
        self._refuse_missing(missing, len(items), "updated", ignore_missing)
        return self._with_updates(
            [(there[item.id], item) for item in items if item.id in there],
            _Batch(ignored=len(missing)),
        )

    def _checked_upserts(self, items: list[Item]) -> _Batch:
        _refuse_twice([item.id for item in items])
        there = self.tree.items_with_ids([item.id for item in items])
        fresh = [item for item in items if item.id not in there]
        return self._with_updates(
            [(there[item.id], item) for item in items if item.id in there], _Batch(inserts=fresh)
        )

    def _with_updates(self, pairs: list[tuple[PlacedItem, Item]], batch: _Batch) -> _Batch:
        for old, new in pairs:
            if old.item.content_hash() == new.content_hash():
                batch.unchanged += 1
            else:
                batch.updates.append((old, new))
        return batch

    def _checked_deletes(self, ids: list[str], ignore_missing: bool) -> _Batch:
        wanted = list(dict.fromkeys(ids))
        there = self.tree.items_with_ids(wanted)
        missing = [item_id for item_id in wanted if item_id not in there]
        self._refuse_missing(missing, len(wanted), "deleted", ignore_missing)
        return _Batch(deletes=list(there.values()), ignored=len(missing))

    def _refuse_missing(self, missing: list[str], total: int, done: str, ignore: bool) -> None:
        if not missing or ignore:
            return
        near = self.tree.nearest_id(missing[0])
        hint = f" The nearest id to {missing[0]!r} is {near!r}." if near else ""
        raise TreeError(
            f"{len(missing)} of {total} items are not in {self.tree.path.name}: {_shown(missing)}.",
            detail=f"Nothing was {done}.{hint}",
            remedy=f"`unillmrec tree {self.tree.path} --find TEXT`, or pass --ignore-missing.",
        )

    # Applying

    def _apply(self, batch: _Batch, started: float) -> ChangeReport:
        touched = Touched()
        moved: Counter[int] = Counter()
        kept, rewritten = self._parted_updates(batch.updates)
        self._note_terms(batch, rewritten)
        self._remove(batch.deletes, touched, moved)
        self._rewrite_rows(kept)
        self._place(batch.inserts, rewritten, touched, moved)
        self.tree.facts["items"] += len(batch.inserts) - len(batch.deletes)
        refreshed = self._restore(touched, moved, len(batch))
        return ChangeReport(
            inserted=len(batch.inserts),
            updated=len(batch.updates),
            deleted=len(batch.deletes),
            unchanged=batch.unchanged,
            ignored=batch.ignored,
            splits=touched.splits,
            merges=touched.merges,
            regrown=touched.regrown,
            refreshed=refreshed,
            seconds=time.perf_counter() - started,
        )

    def _parted_updates(self, pairs: Sequence[_Pair]) -> tuple[list[_Pair], list[_Pair]]:
        """Part updates into those that leave the vector alone, a price say, and the rest."""
        kept: list[_Pair] = []
        rewritten: list[_Pair] = []
        for old, new in pairs:
            same = _vector_text(old.item) == _vector_text(new)
            (kept if same else rewritten).append((old, new))
        return kept, rewritten

    def _note_terms(self, batch: _Batch, rewritten: Sequence[_Pair]) -> None:
        if not self.tree.sparse:
            return
        used: Counter[str] = Counter()
        for item in [*batch.inserts, *(new for _, new in rewritten)]:
            used.update(dict.fromkeys(self._terms(item), 1))
        for placed in [*batch.deletes, *(old for old, _ in rewritten)]:
            used.subtract(dict.fromkeys(self._terms(placed.item), 1))
        self.tree.note_terms({term: more for term, more in used.items() if more})

    def _terms(self, item: Item) -> dict[str, float]:
        return terms_of(weighted_words(item), with_pieces=bool(self.tree.facts["pieces"]))

    def _remove(self, deletes: Sequence[PlacedItem], touched: Touched, moved: Counter[int]) -> None:
        self.tree.remove_items([placed.number for placed in deletes])
        for placed in deletes:
            touched.nodes.add(placed.leaf)
            moved[placed.leaf] += 1

    def _rewrite_rows(self, pairs: Sequence[_Pair]) -> None:
        self.tree.put_items(
            item_row(old.number, new, old.leaf, self._prior(new)) for old, new in pairs
        )

    def _place(
        self,
        inserts: Sequence[Item],
        rewritten: Sequence[_Pair],
        touched: Touched,
        moved: Counter[int],
    ) -> None:
        """Put new items, and those whose words changed, into the leaves nearest to them."""
        numbers = [*self.tree.next_numbers("item", len(inserts)), *(o.number for o, _ in rewritten)]
        items = [*inserts, *(new for _, new in rewritten)]
        if not items:
            return
        vectors = self._vectors(items)
        leaves = nearest_leaves(self.tree, vectors)
        self.tree.put_items(
            item_row(number, item, leaf, self._prior(item))
            for number, item, leaf in zip(numbers, items, leaves, strict=True)
        )
        self.tree.put_vectors(
            (number, vector.to_bytes()) for number, vector in zip(numbers, vectors, strict=True)
        )
        left = [old.leaf for old, _ in rewritten]
        touched.nodes.update(leaves, left)
        moved.update(leaves)
        moved.update(left)

    def _vectors(self, items: Sequence[Item]) -> list[Vector]:
        if self.tree.sparse:
            used = [self._terms(item) for item in items]
            known = self.tree.known_terms({term for each in used for term in each})
            return [vector_of(each, known) for each in used]
        if self.given is None:
            raise TreeError(
                f"{self.tree.path.name} was built from given vectors; new items need theirs.",
                detail="Nothing was changed.",
                remedy="--vectors FILE.npy with a row for each item, or --embed MODEL.",
            )
        for item in items:
            self.given.add(item)
        return [Vector(row) for row in self.given.for_items(len(items))]

    def _prior(self, item: Item) -> float:
        name = self.tree.facts.get("popularity")
        if not name:
            return 0.0
        count = count_of(item, name)
        if math.isnan(count):
            return 0.0
        return min(1.0, math.log1p(max(count, 0.0)) / float(self.tree.facts["popularity_top"]))

    def _restore(self, touched: Touched, moved: Counter[int], changes: int) -> int:
        if not touched.nodes:
            return 0
        states = self.tree.with_ancestors(sorted(moved))
        below: Counter[int] = Counter()
        for node, count in moved.items():
            for each in (node, *above(states, node)):
                below[each] += count
        self.tree.note_moved(below)
        upkeep = Upkeep(self.tree, touched)
        upkeep.restore(changes)
        refresh = Refresh(self.tree, touched)
        if upkeep.merge_small_branches(refresh.run()):
            refresh = Refresh(self.tree, touched)
            refresh.run()
        return len(refresh.fresh)


_Pair = tuple[PlacedItem, Item]


def _vector_text(item: Item) -> list[tuple[list[str], float]]:
    return list(weighted_words(item))


def _refuse_twice(ids: Sequence[str]) -> None:
    seen: set[str] = set()
    for item_id in ids:
        if item_id in seen:
            raise _twice(item_id)
        seen.add(item_id)


def _twice(item_id: str) -> TreeError:
    return TreeError(
        f"item id {item_id!r} comes twice in one change.",
        detail="Nothing was changed.",
        remedy="give each item once.",
    )


def _shown(ids: Sequence[str]) -> str:
    return ", ".join(map(repr, ids[:5])) + (", …" if len(ids) > 5 else "")
